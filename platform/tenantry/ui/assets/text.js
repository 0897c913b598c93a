/* Keeps what is typed into a form with data-text until it is saved: at once in this browser, and a few
   seconds later on the site. The browser's copy stands under a name of the site, the member and the form;
   it goes as soon as the site has the text. Without this script the site still carries text through a sign-in. */
(function () {
  "use strict";
  var LOCAL_MS = 300;
  var REMOTE_MS = 5000;
  var FIELDS = ["title", "body", "tags", "excerpt", "text"];
  if (window.tenantryText) return;
  window.tenantryText = true;

  // Storage may be switched off or full; then the site's copy is the only one.
  var store = {
    get: function (name) {
      try { return JSON.parse(window.localStorage.getItem(name)); } catch (error) { return null; }
    },
    set: function (name, value) {
      try { window.localStorage.setItem(name, JSON.stringify(value)); return true; } catch (error) { return false; }
    },
    remove: function (name) {
      try { window.localStorage.removeItem(name); } catch (error) { /* as above */ }
    },
    names: function (prefix) {
      try {
        return Object.keys(window.localStorage).filter(function (name) { return name.indexOf(prefix) === 0; });
      } catch (error) { return []; }
    }
  };

  var saved = document.querySelector("meta[name='saved-text']");
  if (saved) store.remove(saved.content);

  function watch(form) {
    var prefix = form.dataset.text; // of this site and this member; without it nothing is kept here
    if (!prefix) return;
    var status = form.querySelector("[data-text-status]");
    var timers = {};
    var sending = false;
    var leaving = false;
    var shown = read(); // what the page came with
    var kept = shown; // what the site has

    function input(name) { return form.elements.namedItem(name); }
    function name() { return prefix + input("key").value; }
    function read() {
      var text = {};
      FIELDS.forEach(function (field) { if (form.elements.namedItem(field)) text[field] = form.elements.namedItem(field).value; });
      return text;
    }
    function write(text) {
      FIELDS.forEach(function (field) { if (input(field) && text[field] !== undefined) input(field).value = text[field]; });
    }
    function same(one, other) {
      return FIELDS.every(function (field) { return (one[field] || "").trim() === (other[field] || "").trim(); });
    }
    function blank(text) { return same(text, {}); }
    function say(words, link) {
      if (!status) return;
      status.textContent = words;
      if (!link) return;
      var anchor = document.createElement("a");
      anchor.href = form.dataset.textSignIn;
      anchor.target = "_blank";
      anchor.rel = "noopener";
      anchor.textContent = link;
      status.append(" ", anchor);
    }

    function keepHere() {
      var text = read();
      if (same(text, kept)) return store.remove(name());
      var version = input("version");
      nameAddress();
      store.set(name(), { text: text, version: version ? version.value : "", at: Date.now() });
    }

    // The page's address names a post that was only begun, so that Back and a sign-in lead to this one.
    function nameAddress() {
      var key = input("key").value;
      if (key.indexOf("new-") !== 0 || window.location.search.indexOf(key) !== -1) return;
      window.history.replaceState(window.history.state, "", form.getAttribute("action") + "?key=" + key);
    }

    function keepThere() {
      var text = read();
      if (sending || leaving || same(text, kept)) return;
      sending = true;
      fetch(form.dataset.textUrl, {
        method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, redirect: "error"
      }).then(function (answer) {
        sending = false;
        if (answer.ok) {
          kept = text;
          keepHere();
          say("Kept at " + new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) + ". It is not saved yet.");
        } else if (answer.status === 401 || answer.status === 400) {
          say("You are signed out. Your text is kept in this browser, and it is safe to go on writing.", "Sign in again");
        } else if (answer.status === 507) {
          say("The site is full. Your text is kept in this browser only.");
        } else {
          say("The site could not keep your text. It is kept in this browser only.");
        }
      }, function () {
        sending = false;
        say("The site does not answer. Your text is kept in this browser.");
      });
    }

    function later(what, milliseconds, run) {
      if (timers[what]) return;
      timers[what] = window.setTimeout(function () { timers[what] = 0; run(); }, milliseconds);
    }

    // A post that the site has not heard of yet has another key each time its page is opened.
    function findHere() {
      var own = store.get(name());
      if (own || input("key").value.indexOf("new-") !== 0 || !blank(shown)) return own;
      if (new URLSearchParams(window.location.search).has("new")) return null;
      var newest = null;
      store.names(prefix + "new-").forEach(function (candidate) {
        var copy = store.get(candidate);
        if (copy && (!newest || copy.at > newest.at)) {
          newest = copy;
          newest.key = candidate.slice(prefix.length);
        }
      });
      return newest;
    }

    function restore() {
      var copy = findHere();
      if (!copy || !copy.text) return;
      if (same(copy.text, shown) || blank(copy.text)) return store.remove(name());
      if (copy.key) input("key").value = copy.key;
      if (input("version") && copy.version) input("version").value = copy.version;
      write(copy.text);
      offerToDrop();
      later("remote", LOCAL_MS, keepThere);
    }

    function offerToDrop() {
      var before = shown;
      var box = document.createElement("div");
      box.className = "banner text-notice";
      box.setAttribute("role", "status");
      var words = document.createElement("p");
      words.className = "mb-0";
      words.textContent = "This text was kept in this browser. It is not saved. ";
      var button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm btn-secondary";
      button.textContent = "Discard it";
      button.addEventListener("click", function () {
        write(before);
        keepThere();
        store.remove(name());
        box.remove();
      });
      box.append(words, button);
      form.before(box);
    }

    form.addEventListener("input", function () {
      later("local", LOCAL_MS, keepHere);
      later("remote", REMOTE_MS, keepThere);
    });
    form.addEventListener("submit", function () {
      keepHere();
      leaving = true;
      window.setTimeout(function () { leaving = false; }, 10000); // the answer may never come
    });
    document.querySelectorAll("form[data-text-leaves]").forEach(function (other) {
      other.addEventListener("submit", function () { leaving = true; });
    });
    window.addEventListener("pagehide", keepHere);
    window.addEventListener("beforeunload", function (event) {
      if (leaving || same(read(), shown)) return;
      keepHere();
      event.preventDefault();
      event.returnValue = "";
    });

    restore();
  }

  document.querySelectorAll("form[data-text]").forEach(watch);
})();
