// Show what was typed into a password field. Hidden again before it is sent: browsers keep what
// was typed into a text field, and offer it to the next person.

for (const button of document.querySelectorAll("button[data-show]")) {
  const input = document.getElementById(button.dataset.show);
  if (input?.type !== "password") continue;
  const show = button.textContent;

  const turn = (isShown) => {
    input.type = isShown ? "text" : "password";
    button.textContent = isShown ? button.dataset.hide : show;
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    turn(input.type === "password");
    input.focus();
  });
  input.form?.addEventListener("submit", () => turn(false));
  window.addEventListener("pagehide", () => turn(false));
}
