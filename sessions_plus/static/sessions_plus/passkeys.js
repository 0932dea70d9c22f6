// Passkeys: made and used with the browser's own JSON of WebAuthn Level 3, without a library.
// Without this file, or in a browser without passkeys, the pages say what to do instead.

(() => {
  if (window.sessionsPlusPasskeys) return; // a page may hold it twice, in two of its parts
  window.sessionsPlusPasskeys = true;

  const isAble = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);
  const RENEW_MS = 4 * 60 * 1000; // what a passkey has to sign lasts five minutes
  const AGAIN = ["not_authenticated", "reauthentication_required"]; // what the page says itself
  let offered; // the AbortController of what waits in the browser's autofill
  let isAnswered = false; // a passkey has signed: what the other way brings comes too late

  class Refusal extends Error {
    constructor(answer) {
      super(answer.detail);
      this.answer = answer;
    }
  }

  async function post(form, url, body) {
    const response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        "Content-Type": "application/json",
        "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
      },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    if (AGAIN.includes(answer.code)) location.reload();
    if (answer.unknown) await PublicKeyCredential.signalUnknownCredential?.(answer.unknown);
    throw new Refusal(answer);
  }

  // Tell the authenticator which passkeys still count, and what their owner is called now.
  async function tell(accepted) {
    if (!accepted || !isAble) return;
    const { rpId, userId, allAcceptedCredentialIds, name, displayName } = accepted;
    await Promise.allSettled([
      PublicKeyCredential.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds }),
      PublicKeyCredential.signalCurrentUserDetails?.({ rpId, userId, name, displayName }),
    ]);
  }

  // What else the page's own form asks for: whether to stay signed in, or the password.
  function fields(form) {
    const found = {};
    for (const name of (form.dataset.fields ?? "").split(" ").filter(Boolean)) {
      const field = document.querySelector(`[name="${name}"]`);
      if (field) found[name] = field.type === "checkbox" ? field.checked : field.value;
    }
    return found;
  }

  async function use(form, how) {
    const options = await post(form, form.dataset.options, {});
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const passkey = await navigator.credentials.get({ publicKey, ...how });
    if (isAnswered || how.signal?.aborted) return;
    isAnswered = true;
    const body = { credential: passkey.toJSON(), next: form.dataset.next, ...fields(form) };
    try {
      const answer = await post(form, form.dataset.finish, body);
      await tell(answer.accepted);
      location.assign(answer.next);
    } catch (error) {
      isAnswered = false;
      throw error;
    }
  }

  async function make(form, how) {
    const options = await post(form, form.dataset.options, {});
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const passkey = await navigator.credentials.create({ publicKey, ...how });
    form.elements.credential.value = JSON.stringify(passkey.toJSON());
  }

  function show(form, error) {
    const { cancelled, known, failed } = form.dataset;
    const texts = { NotAllowedError: cancelled, AbortError: cancelled, InvalidStateError: known };
    const place = form.querySelector("[data-passkey-error]");
    place.textContent = error instanceof Refusal ? error.message : (texts[error.name] ?? failed);
    place.hidden = false;
    // For whoever builds the site: people can do nothing about it.
    if (error.name === "SecurityError") {
      console.warn(
        `${error.message} The address of this page is ${location.origin}: it has to be that of ` +
          "SESSIONS_PLUS_SITE_URL, or on the domain in SESSIONS_PLUS_PASSKEY_RP_ID.",
      );
    }
  }

  async function act(form, run) {
    if (isAnswered) return;
    const button = form.querySelector("[data-passkey-button]");
    form.querySelector("[data-passkey-error]").hidden = true;
    button.disabled = true;
    offered?.abort();
    try {
      await run();
    } catch (error) {
      show(form, error);
      button.focus();
      offer(form);
    } finally {
      button.disabled = false;
    }
  }

  // Let the browser offer passkeys where the name is typed. It waits until one is chosen.
  async function offer(form) {
    const name = document.querySelector(form.dataset.conditional || "none");
    if (!name) return;
    const mine = (offered = new AbortController());
    const isOffered = await PublicKeyCredential.isConditionalMediationAvailable?.();
    if (!isOffered || mine.signal.aborted) return; // the button was faster
    name.autocomplete = "username webauthn";
    const renewal = setTimeout(() => renew(form, mine), RENEW_MS);
    try {
      await use(form, { mediation: "conditional", signal: mine.signal });
    } catch (error) {
      if (mine.signal.aborted) return;
      show(form, error);
      if (error instanceof Refusal) offer(form);
    } finally {
      clearTimeout(renewal);
    }
  }

  function renew(form, mine) {
    if (offered !== mine) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => renew(form, mine), { once: true });
    } else {
      mine.abort();
      offer(form);
    }
  }

  // A password manager that just filled in the password may save a passkey by itself.
  async function upgrade(form) {
    const able = await PublicKeyCredential.getClientCapabilities?.();
    if (!able?.conditionalCreate) return;
    try {
      await make(form, { mediation: "conditional" });
      const headers = { Accept: "application/json" };
      const body = new FormData(form);
      const response = await fetch(form.action, { method: "POST", headers, body });
      if (!response.ok) return;
      form.querySelector("[data-passkey-done]").textContent = (await response.json()).detail;
    } catch {
      // Nobody asked for it, so nobody is told that it was not to be.
    }
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const { passkey: what } = form.dataset;
    if (!isAble) continue; // what to do instead stands there until it is hidden
    for (const part of form.querySelectorAll("[data-passkey-missing]")) part.hidden = true;
    if (what === "upgrade") {
      upgrade(form);
      continue;
    }
    for (const part of form.querySelectorAll("[data-passkey-able]")) part.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(form, async () => {
        if (what === "use") return use(form, {});
        await make(form, {});
        form.submit();
      });
    });
    if (what === "use") offer(form);
  }

  for (const { dataset } of document.querySelectorAll("[data-passkeys-accepted]")) {
    if (dataset.passkeysAccepted) tell(JSON.parse(dataset.passkeysAccepted));
    if (dataset.passkeysUnknown && isAble) {
      PublicKeyCredential.signalUnknownCredential?.(JSON.parse(dataset.passkeysUnknown));
    }
  }
})();
