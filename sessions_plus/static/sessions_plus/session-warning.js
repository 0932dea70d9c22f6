// Warn before the session ends, and offer to stay. Other tabs may have prolonged it, so the
// server is asked before anybody is disturbed; asking is no activity.

(() => {
  const dialog = document.getElementById("session-warning");
  if (!dialog?.showModal) return;

  const warnMs = Number(dialog.dataset.warnSeconds) * 1000;
  const countdown = dialog.querySelector("[data-countdown]");
  const stayForm = dialog.querySelector("form[data-show=stay]");
  const LONGEST_TIMER_MS = 2 ** 31 - 1;
  let endsAt = Date.now() + Number(dialog.dataset.seconds) * 1000;
  let timer;

  const left = () => endsAt - Date.now();

  function show(state) {
    for (const part of dialog.querySelectorAll("[data-show]")) {
      part.hidden = part.dataset.show !== state;
    }
    countdown.hidden = state === "over";
    if (!dialog.open) dialog.showModal();
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.min(Math.max(left() - warnMs, 1000), LONGEST_TIMER_MS));
  }

  function learn({ seconds, can_stay: canStay }) {
    endsAt = Date.now() + seconds * 1000;
    if (left() > warnMs) {
      if (dialog.open) dialog.close();
      wait();
    } else {
      show(canStay ? "stay" : "leave");
      count();
    }
  }

  function count() {
    clearTimeout(timer);
    if (left() <= 0) {
      timer = setTimeout(ask, 1000);
      return;
    }
    const seconds = Math.ceil(left() / 1000);
    const rest = String(seconds % 60).padStart(2, "0");
    countdown.textContent = `${Math.floor(seconds / 60)}:${rest}`;
    timer = setTimeout(count, 1000);
  }

  async function talk(url, options) {
    clearTimeout(timer);
    try {
      const headers = { Accept: "application/json" };
      const response = await fetch(url, { credentials: "same-origin", headers, ...options });
      if (response.ok) learn(await response.json());
      else if (response.status === 401 || response.status === 403) show("over");
      else wait();
    } catch {
      wait(); // offline: there will be an answer later
    }
  }

  const ask = () => talk(dialog.dataset.remainingUrl);

  stayForm.addEventListener("submit", (event) => {
    event.preventDefault();
    talk(stayForm.action, { method: "POST", body: new FormData(stayForm) });
  });
  // A laptop that was asleep has missed its timer.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && left() < warnMs) ask();
  });
  wait();
})();
