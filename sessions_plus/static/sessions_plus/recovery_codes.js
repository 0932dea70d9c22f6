// Copy and print, where the browser can. Without this file the codes can be downloaded, or read.

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const items = document.querySelectorAll(`#${button.dataset.copy} li`);
    const text = Array.from(items, (item) => item.textContent.trim()).join("\n");
    const status = document.querySelector("[data-status]");
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = button.dataset.done;
    } catch {
      button.hidden = true;
    }
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
