/* Puts pictures into a text: by a button, by pasting, by dropping. Each is uploaded with its progress shown,
   and its line of Markdown stands where the cursor was. Without this script a link leads to the library. */
(function () {
  "use strict";
  var TRIES = 5;

  document.querySelectorAll("[data-insert]").forEach(function (box) {
    var area = document.getElementById(box.dataset.insertInto);
    if (!area) return;
    var waiting = [];
    var busy = false;
    var chooser = make("input", { type: "file", multiple: "", hidden: "", "aria-hidden": "true", tabindex: "-1" });
    var button = make("button", { type: "button", "class": "btn btn-secondary btn-sm" }, "Insert a picture");
    var bar = make("progress", { max: "1", hidden: "", "aria-label": "Upload" });
    var status = make("span", { "class": "meta", role: "status" });
    box.prepend(button, chooser);
    box.append(bar, status);

    button.addEventListener("click", function () { chooser.click(); });
    chooser.addEventListener("change", function () { add(chooser.files); chooser.value = ""; });
    area.addEventListener("paste", function (event) { take(event, event.clipboardData); });
    area.addEventListener("dragover", function (event) { if (holdsFiles(event)) event.preventDefault(); });
    area.addEventListener("drop", function (event) { take(event, event.dataTransfer); });

    function holdsFiles(event) {
      return Array.prototype.indexOf.call(event.dataTransfer.types, "Files") !== -1;
    }

    function take(event, data) {
      // Office programs paste a picture of the text beside the text: then the text is meant.
      if (!data || !data.files.length || data.types.indexOf("text/plain") !== -1) return;
      event.preventDefault();
      add(data.files);
    }

    function add(files) {
      waiting.push.apply(waiting, Array.from(files));
      next();
    }

    function next() {
      if (busy || !waiting.length) return;
      busy = true;
      send(waiting.shift(), TRIES);
    }

    function send(file, tries) {
      var form = new FormData();
      var request = new XMLHttpRequest();
      form.append("csrf_token", area.form.elements.namedItem("csrf_token").value);
      form.append("file", file, file.name || "picture");
      say("Uploading " + (file.name || "the picture") + " …");
      bar.hidden = false;
      bar.value = 0;
      request.open("POST", box.dataset.insert);
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", function (event) {
        if (event.lengthComputable) bar.value = event.loaded / event.total;
      });
      request.addEventListener("error", function () { end("The site does not answer. Nothing was inserted."); });
      request.addEventListener("load", function () {
        var answer = read(request.responseText);
        if (request.status === 201) {
          insert(answer.markdown);
          return end(answer.is_picture && !answer.alt ? "Describe the picture between the brackets, for people who do not see it." : "Inserted.");
        }
        if (request.status === 503 && tries > 1) return window.setTimeout(send, 3000, file, tries - 1);
        if (request.status === 401) return end("You are signed out. Sign in in another window and try again.");
        if (request.status === 413) return end("This file is larger than the site accepts.");
        end(reason(answer) || "The site could not take the file (error " + request.status + ").");
      });
      request.send(form);
    }

    function end(words) {
      bar.hidden = true;
      busy = false;
      say(words);
      next();
    }

    // The cursor stands between the brackets, where the description is written.
    function insert(markdown) {
      var start = findPlace();
      var before = area.value.slice(0, start);
      var gap = before && !/\n\n$/.test(before) ? (/\n$/.test(before) ? "\n" : "\n\n") : "";
      area.setRangeText(gap + markdown + "\n\n", start, Math.max(start, area.selectionEnd), "end");
      if (markdown.indexOf("![](") === 0) {
        area.setSelectionRange(start + gap.length + 2, start + gap.length + 2);
      }
      area.focus();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }

    // Behind a picture, if the cursor stands in its description.
    function findPlace() {
      var start = area.selectionStart;
      var rest = /^[^\]\n]*\]\([^)\n]*\)\n*/.exec(area.value.slice(start));
      return rest && /!\[[^\]\n]*$/.test(area.value.slice(0, start)) ? start + rest[0].length : start;
    }

    function say(words) { status.textContent = words; }
  });

  function read(text) {
    try { return JSON.parse(text); } catch (error) { return {}; }
  }

  function reason(answer) {
    return answer.errors && answer.errors.file ? answer.errors.file.join(" ") : answer.detail;
  }

  function make(tag, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text) element.textContent = text;
    return element;
  }
})();
