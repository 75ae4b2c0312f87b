// The script of the console. Every page works without it.
"use strict";

// Buttons that copy what stands beside them.
function showCopyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 2000);
});
showCopyButtons();

// Events of a response, as the HTML Standard writes them (9.2.6), by POST.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const all = text.split("\n\n");
    text = all.pop();
    for (const one of all) {
      const fields = Object.fromEntries(one.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.event) yield { name: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

// show puts a page that was sent in the place of this one, or of the part that a form
// names; what people have begun to fill in elsewhere stays.
function show(news, part) {
  const page = new DOMParser().parseFromString(news.html, "text/html");
  const main = document.getElementById("main");
  const next = part && !news.last && page.getElementById(part);
  if (next) {
    document.getElementById(part).replaceWith(next);
  } else {
    main.replaceChildren(...page.body.childNodes);
    document.title = document.title.replace(/^.*(?= - )/, () => news.title);
  }
  showCopyButtons();
  if (news.last) main.focus();
}

// live has a form wait for what it waits for, for ten minutes or so.
async function live() {
  const find = () => document.querySelector("form[data-live]");
  const ready = (form, is) => { form.querySelector("button").hidden = is; };
  for (let turn = 0; turn < 12 && find(); turn++) {
    const form = find();
    ready(form, true);
    const response = await fetch(form.action, {
      method: "POST", headers: { Accept: "text/event-stream" }, body: new URLSearchParams(new FormData(form)),
    });
    if (!response.headers.get("Content-Type").startsWith("text/event-stream")) return form.submit();
    for await (const event of events(response)) {
      if (event.name === "failed") return form.submit();
      show(event.data, form.dataset.live);
      if (event.data.last) return;
      if (find()) ready(find(), true);
    }
  }
  if (find()) ready(find(), false);
}
live().catch(() => { for (const form of document.querySelectorAll("form[data-live]")) form.querySelector("button").hidden = false; });
