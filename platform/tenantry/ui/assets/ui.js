/* What every page can do beyond plain HTML. Each part works on attributes, and each page works without it. */
(function () {
  "use strict";
  var root = document.documentElement;

  function labelThemeToggle() {
    var dark = root.getAttribute("data-theme") === "dark";
    document.querySelectorAll("[data-theme-toggle]").forEach(function (button) {
      var label = dark ? "Switch to the light theme" : "Switch to the dark theme";
      button.setAttribute("aria-label", label);
      button.setAttribute("title", label);
    });
  }

  function closeMenus() {
    document.querySelectorAll("details.user-menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.querySelectorAll("[data-menu-toggle][aria-expanded='true']").forEach(function (button) {
      button.setAttribute("aria-expanded", "false");
      button.focus();
    });
  }

  document.addEventListener("click", function (event) {
    var target = event.target instanceof Element ? event.target : null;
    if (!target) return;

    if (target.closest("[data-theme-toggle]")) window.tenantryTheme.toggle();

    document.querySelectorAll("details.user-menu[open]").forEach(function (open) {
      if (!open.contains(target)) open.open = false;
    });

    var menu = target.closest("[data-menu-toggle]");
    if (menu) menu.setAttribute("aria-expanded", String(menu.getAttribute("aria-expanded") !== "true"));

    var dismiss = target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(dismiss.getAttribute("data-dismiss")).remove();

    var copy = target.closest("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.getAttribute("data-copy")).then(function () {
        copy.setAttribute("data-copied", "");
      });
    }
  });

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") closeMenus();
    var find = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && document.querySelector("[data-find]");
    if (find) {
      event.preventDefault();
      find.focus();
      find.select();
    }
  });

  // A form, or the button that sent it, may ask first: data-confirm="Delete this post?", and with
  // data-confirm-typed="acme" for something to type. The answer is the field `confirmed`; the server asks
  // those that do not send it.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    var asker = event.submitter && event.submitter.hasAttribute("data-confirm") ? event.submitter : form;
    var question = asker.getAttribute("data-confirm");
    if (!question || form.elements.namedItem("confirmed") || !window.HTMLDialogElement) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(question, asker.getAttribute("data-confirm-typed") || "", event.submitter, function (answer) {
      var field = make("input", { type: "hidden", name: "confirmed", value: answer });
      form.append(field);
      form.requestSubmit(event.submitter || undefined);
      window.addEventListener("pageshow", function () { field.remove(); });
    });
  }, true);

  function make(tag, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text) element.textContent = text;
    return element;
  }

  function ask(question, typed, submitter, proceed) {
    var dialog = make("dialog", { "class": "dialog", "aria-labelledby": "dialog-question" });
    var form = make("form", { method: "dialog" });
    var actions = make("div", { "class": "actions" });
    var yes = make("button", { type: "submit", value: "yes", "class": "btn btn-danger" }, submitter ? submitter.textContent.trim() : "Go on");
    var no = make("button", { type: "submit", value: "no", "class": "btn btn-secondary", formnovalidate: "" }, "Cancel");
    form.append(make("h2", { id: "dialog-question", "class": "h3" }, question));
    var input = null;
    if (typed) {
      var label = make("label", { "class": "form-label" }, "Type " + typed + " to confirm");
      input = make("input", { "class": "form-control", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
      label.append(input);
      form.append(label);
      yes.disabled = true;
      input.addEventListener("input", function () { yes.disabled = input.value.trim() !== typed; });
    }
    actions.append(yes, no);
    form.append(actions);
    dialog.append(form);
    dialog.addEventListener("close", function () {
      var answer = dialog.returnValue;
      dialog.remove();
      if (submitter) submitter.focus();
      if (answer === "yes") proceed(typed || "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    (input || no).focus();
  }

  // A form that creates something is sent once, however often its button is pressed.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-once") || (event.submitter && event.submitter.name)) return;
    if (form.hasAttribute("data-sent")) event.preventDefault();
    form.setAttribute("data-sent", "");
    window.addEventListener("pageshow", function () { form.removeAttribute("data-sent"); });
  });

  // A select that sends its form when it changes keeps its button for those without scripts.
  document.addEventListener("change", function (event) {
    if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
  });

  // A part of the page that could not be fetched says so; without this, nothing would happen at all.
  var FAILURES = {
    0: "The server does not answer. Check your connection and try again.",
    401: "You are no longer signed in. Sign in in another window and try again.",
    403: "You may not do this.",
    429: "That was too often. Wait a moment and try again."
  };
  function showFailure(status) {
    clearFailure();
    var box = make("div", { "class": "alert alert-danger", role: "alert", id: "request-failure" });
    var close = make("button", { type: "button", "class": "btn-close", "data-dismiss": ".alert", "aria-label": "Close this message" });
    box.append(make("div", { "class": "alert-body" }, FAILURES[status] || "The server could not answer (error " + status + "). Try again in a moment."), close);
    document.getElementById("content").prepend(box);
    box.scrollIntoView({ block: "nearest" });
  }
  function clearFailure() {
    var old = document.getElementById("request-failure");
    if (old) old.remove();
  }
  document.addEventListener("htmx:responseError", function (event) { showFailure(event.detail.xhr.status); });
  document.addEventListener("htmx:sendError", function () { showFailure(0); });
  document.addEventListener("htmx:timeout", function () { showFailure(0); });
  document.addEventListener("htmx:afterRequest", function (event) { if (event.detail.successful) clearFailure(); });

  // A search that is sent as one types leaves out what is empty, so that its address stays short.
  document.addEventListener("htmx:configRequest", function (event) {
    if (event.detail.verb !== "get") return;
    var values = event.detail.parameters;
    Object.keys(values).forEach(function (name) { if (values[name] === "") delete values[name]; });
  });
  document.addEventListener("formdata", function (event) {
    if (event.target.method !== "get") return;
    Array.from(event.formData.keys()).forEach(function (name) {
      if (event.formData.get(name) === "") event.formData.delete(name);
    });
  });

  // Back shows an older address: the search fields say what its results were found by.
  function fillSearch() {
    var query = new URLSearchParams(window.location.search);
    document.querySelectorAll("form[role='search']").forEach(function (form) {
      Array.from(form.elements).forEach(function (element) {
        if (element.name && element.type !== "hidden") element.value = query.get(element.name) || "";
      });
    });
  }
  document.addEventListener("htmx:historyRestore", fillSearch);
  window.addEventListener("pageshow", function (event) { if (event.persisted) fillSearch(); });

  // What scrolls sideways can be reached with the keyboard; what does not is no stop on the way.
  var scrollers = ".table-wrap, .prose pre, .prose table, .command";
  var watcher = new ResizeObserver(function (entries) {
    entries.forEach(function (entry) {
      var box = entry.target;
      if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    });
  });

  // A day at the reader's place, with the time and its zone on the pointer. Machines keep UTC.
  var day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long" });
  var minute = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short" });
  var precise = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "long" });

  function prepare(part) {
    part.querySelectorAll(scrollers).forEach(function (box) { watcher.observe(box); });
    part.querySelectorAll("time[data-local]").forEach(function (time) {
      var moment = new Date(time.getAttribute("datetime"));
      time.textContent = (time.dataset.local === "minute" ? minute : day).format(moment);
      time.setAttribute("title", precise.format(moment));
    });
  }

  document.addEventListener("htmx:load", function (event) { prepare(event.target); });
  prepare(document);

  root.addEventListener("themechange", labelThemeToggle);
  labelThemeToggle();
})();
