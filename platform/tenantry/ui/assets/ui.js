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
    document.querySelectorAll("[data-menu-toggle][aria-expanded='true']").forEach(function (button) {
      button.setAttribute("aria-expanded", "false");
      button.focus();
    });
  }

  document.addEventListener("click", function (event) {
    var target = event.target instanceof Element ? event.target : null;
    if (!target) return;

    if (target.closest("[data-theme-toggle]")) window.tenantryTheme.toggle();

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
  });

  // A form, or the button that sent it, may ask first: data-confirm="Delete this post?"
  document.addEventListener("submit", function (event) {
    var asker = event.submitter && event.submitter.hasAttribute("data-confirm") ? event.submitter : event.target;
    var question = asker.getAttribute("data-confirm");
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // A select that sends its form when it changes keeps its button for those without scripts.
  document.addEventListener("change", function (event) {
    if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
  });

  root.addEventListener("themechange", labelThemeToggle);
  labelThemeToggle();
})();
