/* Chooses light or dark before the first paint; loaded in <head>, on purpose without `defer`.
   The system's choice counts until the visitor makes another one. */
(function () {
  "use strict";
  var root = document.documentElement;
  var system = window.matchMedia("(prefers-color-scheme: dark)");

  function remembered() {
    try {
      return window.localStorage.getItem("theme");
    } catch (error) {
      return null; // storage is switched off: follow the system
    }
  }

  function apply() {
    var choice = remembered();
    var theme = choice === "light" || choice === "dark" ? choice : system.matches ? "dark" : "light";
    root.setAttribute("data-theme", theme);
    root.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  }

  function toggle() {
    var theme = root.getAttribute("data-theme") === "dark" ? "light" : "dark";
    try {
      if (theme === (system.matches ? "dark" : "light")) {
        window.localStorage.removeItem("theme");
      } else {
        window.localStorage.setItem("theme", theme);
      }
      apply();
    } catch (error) {
      root.setAttribute("data-theme", theme);
    }
  }

  root.classList.add("js");
  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  window.tenantryTheme = { toggle: toggle };
})();
