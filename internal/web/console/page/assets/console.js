// The script of the console. Every page works without it.
"use strict";

// Buttons that copy what stands beside them.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// Forms that wait for something send themselves until it has happened. The server
// holds each request until there is news, or for half a minute.
async function wait(form) {
  for (;;) {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && page.querySelector("form[data-wait]")) continue;
    const main = document.getElementById("main");
    main.replaceChildren(...page.getElementById("main").childNodes);
    document.title = page.title;
    main.focus();
    return;
  }
}
for (const form of document.querySelectorAll("form[data-wait]")) {
  form.querySelector("button").hidden = true;
  wait(form).catch(() => { form.querySelector("button").hidden = false; });
}
