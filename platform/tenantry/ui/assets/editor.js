/* Buttons and keys above a text in Markdown, and a preview that follows what is typed. Without this script
   the marks are typed by hand, and the button "Preview" is htmx's. */
(function () {
  "use strict";
  var PREVIEW_MS = 800;
  var TOOLS = [
    { name: "Bold", shows: "B", key: "b", before: "**", after: "**" },
    { name: "Italic", shows: "I", key: "i", before: "*", after: "*" },
    { name: "Link", shows: "Link", key: "k", before: "[", after: "](https://)" },
    { name: "Heading", shows: "H", line: "## " },
    { name: "Quote", shows: "Quote", line: "> " },
    { name: "List", shows: "List", line: "- " },
    { name: "Code", shows: "Code", before: "`", after: "`", fence: true }
  ];

  // As if it was typed, so that the browser can undo it; what listens to "input" hears of it.
  function put(area, text, from, to) {
    area.focus();
    area.setSelectionRange(from, to);
    if (document.execCommand && document.execCommand("insertText", false, text)) return;
    area.setRangeText(text, from, to, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function use(area, tool) {
    var from = area.selectionStart, to = area.selectionEnd, value = area.value;
    var chosen = value.slice(from, to);
    if (tool.line) {
      from = value.lastIndexOf("\n", from - 1) + 1;
      chosen = value.slice(from, to);
      put(area, chosen.split("\n").map(function (line) { return tool.line + line; }).join("\n"), from, to);
      return;
    }
    var before = tool.before, after = tool.after;
    if (tool.fence && chosen.indexOf("\n") !== -1) { before = "```\n"; after = "\n```"; }
    put(area, before + chosen + after, from, to);
    area.setSelectionRange(from + before.length, from + before.length + chosen.length);
  }

  function showTools(area) {
    var bar = document.createElement("div");
    bar.className = "text-tools";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Formatting");
    TOOLS.forEach(function (tool) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm btn-secondary";
      button.textContent = tool.shows;
      button.setAttribute("aria-label", tool.name);
      button.title = tool.name + (tool.key ? " (Ctrl+" + tool.key.toUpperCase() + ")" : "");
      button.addEventListener("click", function () { use(area, tool); });
      bar.append(button);
    });
    area.before(bar);
  }

  function listen(form, area) {
    form.addEventListener("keydown", function (event) {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      if (event.key === "s") {
        var save = form.querySelector("button[value='save'], button[value='draft']");
        if (save) { event.preventDefault(); form.requestSubmit(save); }
        return;
      }
      var tool = TOOLS.find(function (it) { return it.key === event.key; });
      if (tool && document.activeElement === area) { event.preventDefault(); use(area, tool); }
    });
  }

  // Once it was asked for, the preview is kept up with the text; screen readers are not told each time.
  function follow(form, area, preview) {
    var timer = 0;
    area.addEventListener("input", function () {
      if (!preview.firstElementChild) return;
      window.clearTimeout(timer);
      timer = window.setTimeout(function () {
        fetch(preview.dataset.previewUrl, {
          method: "POST", body: new FormData(form), headers: { "HX-Request": "true" }, redirect: "error"
        }).then(function (answer) { return answer.ok ? answer.text() : null; }).then(function (html) {
          if (html === null) return;
          preview.setAttribute("aria-live", "off");
          preview.innerHTML = html; // the site's own, cleaned as in the post
        }, function () { /* the old one stays; the form says that the site does not answer */ });
      }, PREVIEW_MS);
    });
  }

  document.querySelectorAll("form[data-editor]").forEach(function (form) {
    var area = form.elements.namedItem("body");
    var preview = document.getElementById("preview");
    if (!area) return;
    showTools(area);
    listen(form, area);
    if (preview) follow(form, area, preview);
  });
})();
