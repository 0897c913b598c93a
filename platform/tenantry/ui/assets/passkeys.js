/* Passkeys: a form with data-passkey asks the browser for one, and sends what it answers. The form is hidden
   where the browser knows no passkeys; a password works everywhere. */
(function () {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  function toBytes(text) {
    var plain = window.atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (char) { return char.charCodeAt(0); });
  }
  function toText(bytes) {
    var plain = String.fromCharCode.apply(null, new Uint8Array(bytes));
    return window.btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function read(options) {
    options.challenge = toBytes(options.challenge);
    if (options.user) options.user.id = toBytes(options.user.id);
    ["excludeCredentials", "allowCredentials"].forEach(function (list) {
      (options[list] || []).forEach(function (item) { item.id = toBytes(item.id); });
    });
    return { publicKey: options };
  }
  function write(made) {
    var answer = { id: made.id, rawId: toText(made.rawId), type: made.type, response: {} };
    ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (name) {
      if (made.response[name]) answer.response[name] = toText(made.response[name]);
    });
    answer.clientExtensionResults = made.getClientExtensionResults();
    return JSON.stringify(answer);
  }
  function tell(form, text) {
    var box = form.parentElement.querySelector("[data-passkey-problem]");
    box.textContent = text;
    box.hidden = false;
    box.style.display = "block";
  }

  document.querySelectorAll("form[data-passkey]").forEach(function (form) {
    form.hidden = false;
    form.addEventListener("submit", function (event) {
      if (form.elements.answer.value) return;
      event.preventDefault();
      var body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
      fetch(form.dataset.passkeyOptions, { method: "POST", body: body }).then(function (response) {
        if (response.redirected) { window.location = response.url; return null; }
        if (!response.ok) throw new Error("The server could not answer (error " + response.status + ").");
        return response.json();
      }).then(function (options) {
        return options && navigator.credentials[form.dataset.passkey](read(options));
      }).then(function (made) {
        if (!made) return;
        form.elements.answer.value = write(made);
        HTMLFormElement.prototype.submit.call(form);  // a button may be named "submit"
      }).catch(function (error) {
        var refused = error.name === "NotAllowedError";
        tell(form, refused ? "The browser gave no passkey. Try again, or use your password." : error.message);
      });
    });
  });
})();
