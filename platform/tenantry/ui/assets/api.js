// The API's page: each form makes its call with the token that was typed, and shows the answer.
"use strict";

const tokenField = document.getElementById("api-token");

async function makeCall(form) {
  const query = new URLSearchParams();
  const headers = { Authorization: `Bearer ${tokenField.value.trim()}`, Accept: "application/json" };
  let path = form.dataset.apiPath;
  for (const input of form.querySelectorAll("[data-api-value]")) {
    const place = input.dataset.apiValue;
    if (place === "path") {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.value && place === "query") {
      query.set(input.name, input.value);
    } else if (input.value) {
      headers[input.name] = input.value;
    }
  }
  const body = form.querySelector("[data-api-body]")?.value;
  if (body) {
    headers["Content-Type"] = "application/json";
  }
  const address = query.size ? `${path}?${query}` : path;
  const options = { method: form.dataset.apiCall, headers, body: body || undefined };
  const answer = await fetch(address, { ...options, credentials: "omit" });
  const text = await answer.text();
  return `${answer.status} ${answer.statusText}\n${text && JSON.stringify(JSON.parse(text), null, 2)}`;
}

document.querySelector("[data-api-token]").hidden = false;
for (const form of document.querySelectorAll("[data-api-call]")) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const shown = form.querySelector("[data-api-answer]");
    shown.hidden = false;
    shown.textContent = "…";
    try {
      shown.textContent = await makeCall(form);
    } catch (error) {
      shown.textContent = `The call could not be made: ${error.message}`;
    }
  });
}
