// The page of Keyclash: reads the API every two seconds and brings what is shown up to date, without touching the rest.
// All text is set as text, never as HTML.

const EVERY = 2000;
const SVG = "http://www.w3.org/2000/svg";
const state = { paused: false, timer: 0, asked: 0, filter: "", from: null };
const main = document.getElementById("main");

// ------------------------------------------------------------------------------------------------ elements

function h(tag, attributes, ...children) {
  const svg = tag === "svg" || tag === "path" || tag === "rect";
  const node = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) { node[name] = value; } else if (value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) { node.append(child); }
  }
  return node;
}

// Makes `old` like `fresh`, keeping every node that can stay: focus, selection and scrolling survive an update.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) { old.data = fresh.data; }
    return;
  }
  for (const { name } of [...old.attributes]) { if (!fresh.hasAttribute(name)) { old.removeAttribute(name); } }
  for (const { name, value } of fresh.attributes) { if (old.getAttribute(name) !== value) { old.setAttribute(name, value); } }
  old.onclick = fresh.onclick;
  old.oninput = fresh.oninput;
  old.onsubmit = fresh.onsubmit;
  const wanted = [...fresh.childNodes];
  wanted.forEach((child, at) => {
    const there = old.childNodes[at];
    if (!there) { old.append(child); } else { morph(there, child); }
  });
  while (old.childNodes.length > wanted.length) { old.lastChild.remove(); }
}

function show(page, title, ...content) {
  document.title = title ? `${title} – Keyclash` : "Keyclash";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) { link.setAttribute("aria-current", "page"); } else { link.removeAttribute("aria-current"); }
  }
  const fresh = main.cloneNode(false);
  fresh.append(...content.flat(Infinity).filter(Boolean));
  morph(main, fresh);
}

function say(text) { document.getElementById("said").textContent = text; }

function table(caption, heads, rows, cards = true) {
  // The roles are said out loud: where a phone shows rows as blocks, browsers no longer take it for a table.
  return h("div", { class: "scroll" }, h("table", { class: cards ? "cards" : null, role: "table" },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      heads.map(([text, kind]) => h("th", { scope: "col", role: "columnheader", class: kind || null }, text)))),
    h("tbody", { role: "rowgroup" }, rows.map((cells) => h("tr", { role: "row" }, cells.map((cell, at) => at === 0
      ? h("th", { scope: "row", role: "rowheader" }, cell)
      : h("td", { role: "cell", class: heads[at][1] || null, "data-label": heads[at][0] }, cell)))))));
}

const card = (title, ...content) => h("section", { class: "card" }, h("h2", {}, title), content);
const empty = (text) => h("p", { class: "empty" }, text);
const code = (text) => h("code", {}, text);

function copyable(title, text, level = "h3") {
  return [
    h("div", { class: "bar" }, h(level, {}, title), h("button", {
      type: "button", "aria-label": `Copy: ${title}`, onclick: (event) => copy(text, event.currentTarget),
    }, "Copy")),
    h("pre", { tabindex: "0", "aria-label": title }, text),
  ];
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // without TLS a browser has no clipboard for pages, but for the user's own copying
    const area = h("textarea", { class: "unseen" }, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  say("Copied to the clipboard.");
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; say(""); }, 1500);
}

// ------------------------------------------------------------------------------------------------ words

const whole = new Intl.NumberFormat("en");
const count = (number) => whole.format(number);
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
const moment = (seconds) => h("time", { datetime: new Date(seconds * 1000).toISOString(), class: "nowrap" },
  new Date(seconds * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "medium", hour12: false }));

function ago(seconds, now) {
  const passed = Math.max(0, now - seconds);
  if (passed < 10) { return "just now"; }
  if (passed < 90) { return `${Math.round(passed)} s ago`; }
  if (passed < 5400) { return `${Math.round(passed / 60)} min ago`; }
  return passed < 129600 ? `${Math.round(passed / 3600)} h ago` : `${Math.round(passed / 86400)} days ago`;
}

const CAUSES = {
  retry: "The same statement with the same values was sent before.",
  race: "Another session inserted the same entry at about the same time.",
  bulk: "The statement offered the same entry twice itself.",
  sequence: "The server made the value up: the AUTO_INCREMENT counter is behind the data, or at its end.",
  existing: "The row had been there for a while.",
  unknown: "What the proxy saw does not tell.",
};
const OUTCOMES = {
  returned: "The error went to the client.",
  kept: "The row that was there stayed; the client got an OK.",
  updated: "The row that was there was changed; the client got an OK.",
  replaced: "The row that was there was deleted and the offered one inserted.",
  refused: "The rule did not fit this row; the client got the error.",
  failed: "The rule's statement failed; the client got an error.",
  inserted: "The row in the way was gone meanwhile; the offered one is in the table.",
  unknown: "The server's reply does not tell.",
};

const chips = (counts, coloured) => h("span", { class: "chips" }, Object.entries(counts).map(([name, number]) =>
  h("span", { class: `chip ${coloured ? name : ""}` }, `${name} ${count(number)}`)));

// ------------------------------------------------------------------------------------------------ drawings

function spark(numbers) {
  const most = Math.max(...numbers, 1);
  const points = numbers.map((number, at) => `${(at / (numbers.length - 1)) * 100} ${31 - (number / most) * 30}`);
  return h("svg", { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", role: "img",
    "aria-label": `${plural(total(numbers), "conflict")} in the last hour, ${count(numbers.at(-1))} in this minute` },
  h("path", { d: `M${points.join("L")}`, fill: "none", stroke: "currentColor", "stroke-width": "1.5", "vector-effect": "non-scaling-stroke" }));
}

function history(numbers, now) {
  const grouped = [];
  for (let at = 0; at < numbers.length; at += 3) { grouped.push(total(numbers.slice(at, at + 3))); }
  const most = Math.max(...grouped, 1);
  const bars = grouped.map((number, at) => number ? `M${at} 40v-${((number / most) * 40).toFixed(2)}h.8V40z` : "").join("");
  const start = now - numbers.length * 60;
  return [
    h("svg", { class: "history", viewBox: `0 0 ${grouped.length} 40`, preserveAspectRatio: "none", role: "img",
      "aria-label": `${plural(total(numbers), "conflict")} in the last six hours, at most ${count(most)} in three minutes` },
    h("path", { d: `M0 39.7h${grouped.length}v.3H0z`, class: "back" }), h("path", { d: bars || "M0 0", class: "front" })),
    h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, clock(start)), h("span", {}, `highest: ${count(most)} in 3 min`), h("span", {}, clock(now))),
  ];
}

function share(part) {
  return h("svg", { class: "share", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    h("rect", { class: "back", width: "100", height: "6" }), h("rect", { class: "front", width: (part * 100).toFixed(1), height: "6" }));
}

function breakdown(title, caption, counts, words, coloured) {
  const sum = Math.max(total(Object.values(counts)), 1);
  return card(title, table(caption, [["Name"], ["Share"], ["Conflicts", "number"]], Object.entries(counts).map(([name, number]) => [
    h("span", { class: coloured ? name : null }, name),
    [h("span", { class: "small quiet" }, words[name] || ""), share(number / sum)],
    `${count(number)} (${Math.round((number / sum) * 100)} %)`,
  ]), false));
}

// ------------------------------------------------------------------------------------------------ pages

const title = (key) => `${key.table || "unknown table"} ${key.key}`;
const place = (key) => [key.schema, key.table].filter(Boolean).join(".") || "table not known";

async function keysPage() {
  const data = await read("api/keys");
  const wanted = state.filter.toLowerCase();
  const keys = data.keys.filter((key) => `${place(key)}.${key.key}`.toLowerCase().includes(wanted));
  const listed = keys.map((key) => [
    [h("a", { href: `#/key/${key.id}` }, key.key), h("span", { class: "table-name" }, place(key))],
    spark(key.per_minute), count(key.count), chips(key.outcomes, true), chips(key.causes), ago(key.last, data.at),
  ]);
  show("keys", "Keys", h("h1", {}, "Keys in conflict"),
    h("p", { class: "lead" }, `${plural(data.total, "conflict")} since the start, on ${plural(data.keys.length, "key")}`,
      data.others ? ` (and ${count(data.others)} on keys that are not listed any more)` : "", `; ${plural(data.sessions, "open session")}. Keyclash ${data.version}.`),
    h("section", { class: "card" },
      h("div", { class: "bar" }, h("h2", {}, "By number of conflicts"), h("label", {}, "Filter ", h("input", {
        id: "filter", type: "search", autocomplete: "off", oninput: (event) => { state.filter = event.target.value; refresh(); },
      }))),
      listed.length ? table("Every unique key that had duplicate-key errors, the one with most first", [
        ["Key"], ["Last hour"], ["Conflicts", "number"], ["What became of them"], ["Causes"], ["Last"],
      ], listed) : empty(data.keys.length ? "No key has this in its name." : "No duplicate-key error has been seen yet.")));
}

// What came once may have taken the place of another: only what surely came again, or was never displaced, says anything.
const sure = (list) => list.filter((hitter) => hitter.error === 0 || hitter.count - hitter.error > 1);

const hitters = (caption, name, list) => sure(list).length === 0 ? empty("None stands out.") : table(caption, [[name], ["Conflicts", "number"]], sure(list).map((hitter) => [
  code(hitter.value), hitter.error ? `${count(hitter.count - hitter.error)} to ${count(hitter.count)}` : count(hitter.count),
]), false);

function suggestionCard(suggestion) {
  const dry = suggestion.dry_run;
  return h("section", { class: "card", id: "suggestion" }, h("h2", {}, "Suggestion"),
    suggestion.rule
      ? h("p", {}, h("strong", {}, suggestion.action), ` with ${suggestion.level} confidence (${Math.round(suggestion.confidence * 100)} %)`)
      : h("p", {}, "No rule is suggested."),
    h("ul", { class: "reasons" }, suggestion.reasons.map((reason) => h("li", {}, reason))),
    dry && h("p", {}, "Of the conflicts that are remembered, the rule would have answered ", h("strong", {}, count(dry.answered)), " with an OK",
      dry.depends ? `, ${count(dry.depends)} if the row there was the same` : "", dry.left ? `; ${count(dry.left)} would have stayed errors` : "",
      dry.handled ? `; ${count(dry.handled)} were answered by a rule already` : "", "."),
    suggestion.rule && copyable("Rule, to be put under rules:", suggestion.rule));
}

function explanationCard(explanation) {
  return card("Explanation",
    explanation.definition ? h("p", {}, code(explanation.definition)) : h("p", { class: "quiet" }, `The index's definition is not known: ${explanation.unknown}.`),
    explanation.select && copyable("Find the row that is there", explanation.select),
    h("h3", {}, "Good to know"),
    h("dl", {}, explanation.notes.map((note) => [h("dt", {}, note.topic), h("dd", {}, note.text)])),
    h("h3", {}, "What each action would mean"),
    h("dl", {}, explanation.actions.map((action) => [h("dt", {}, action.action, action.advisable ? "" : h("span", { class: "quiet" }, " (not advisable as far as is known)")), h("dd", {}, action.text)])));
}

function conflictsCard(data, now) {
  const rows = data.conflicts.map((conflict) => [
    moment(conflict.at), h("span", { class: conflict.outcome }, conflict.outcome), conflict.cause,
    conflict.entry === null ? "" : code(conflict.entry), conflict.user, conflict.client, conflict.rule || "",
    conflict.latency === null ? "" : `${(conflict.latency * 1000).toFixed(1)} ms`,
  ]);
  return card("Recent conflicts", table(data.show_values ? "The newest first" : "The newest first; values in conflict are shown as hashes",
    [["Time"], ["Outcome"], ["Cause"], ["Entry"], ["User"], ["Client"], ["Rule"], ["Longer by", "number"]], rows));
}

async function keyPage(id) {
  const data = await read(`api/keys/${encodeURIComponent(id)}`);
  if (!data) {
    show("", "Key", h("h1", {}, "No such key"), h("p", {}, "It has had no conflict of late. ", h("a", { href: "#/" }, "All keys")));
    return;
  }
  const key = data.key;
  const now = Date.now() / 1000;
  show("keys", title(key),
    h("p", { class: "small" }, h("a", { href: "#/" }, "All keys")),
    h("h1", {}, key.key, h("span", { class: "table-name" }, `on ${place(key)}`, key.columns.length ? ` (${key.columns.join(", ")})` : "")),
    h("p", { class: "lead" }, `${plural(key.count, "conflict")}, the first `, moment(key.first), `, the last ${ago(key.last, now)}`),
    card("Last six hours", history(data.minutes, now)),
    h("div", { class: "two" },
      breakdown("What became of them", "Conflicts by outcome", key.outcomes, OUTCOMES, true),
      breakdown("Why they happened", "Conflicts by cause", key.causes, CAUSES, false)),
    suggestionCard(data.suggestion),
    explanationCard(data.explanation),
    h("div", { class: "two" },
      card("Most frequent entries", hitters(data.show_values ? "Values in conflict" : "Values in conflict, as hashes", "Entry", data.entries)),
      card("Users", hitters("Who met the conflicts", "User", data.users))),
    card("Statements", data.samples.length ? hitters("Without their values", "Statement", data.samples) : empty("No statement was seen as a whole.")),
    conflictsCard(data, now));
}

async function rulesPage() {
  const data = await read("api/rules");
  const rows = data.rules.map((rule) => [
    [rule.name, h("span", { class: "table-name" }, rule.source)],
    [rule.table, h("span", { class: "table-name" }, rule.keys.join(", ") || "any unique key")],
    [rule.action, h("span", { class: "table-name" }, `when: ${rule.when}`)],
    rule.tripped ? h("span", { class: "tripped" }, "tripped: it rests") : rule.dry_run ? "dry run" : "in force",
    [chips(rule.conflicts, true), rule.rewrites.dry_run ? h("span", { class: "table-name" }, `dry run: ${count(rule.rewrites.dry_run)} would have been answered`) : null],
    rule.skips.length ? h("ul", { class: "reasons small" }, rule.skips.map((skip) => h("li", {}, `${count(skip.count)}: ${skip.words}`))) : "",
  ]);
  show("rules", "Rules", h("h1", {}, "Rules"),
    h("p", { class: "lead" }, data.source ? [`${data.source}, version ${data.version}, loaded `, moment(data.loaded_at)] : "No rules file: every conflict is seen, counted and explained."),
    data.reloaded ? null : h("div", { class: "card tripped" }, h("p", {}, "The last attempt to read the files failed; what was in force before still is."),
      h("ul", { class: "reasons small" }, data.problems.map((problem) => h("li", {}, problem)))),
    h("section", { class: "card" }, rows.length ? table("In the order of the file; the first that fits is followed", [
      ["Rule"], ["Table and key"], ["Action"], ["State"], ["Conflicts"], ["Left alone"],
    ], rows) : empty("There are no rules.")));
}

async function sessionsPage() {
  const data = await read("api/sessions");
  show("sessions", "Sessions", h("h1", {}, "Sessions"),
    h("p", { class: "lead" }, `${plural(data.open, "session")} open.`),
    card("Open", data.sessions.length ? table("One row for each client", [["Thread"], ["User"], ["Client"], ["State"]],
      data.sessions.map((session) => [String(session.thread_id), session.user, session.client, session.idle ? "idle" : "busy"])) : empty("No client is connected.")),
    card("Ended", Object.keys(data.ended).length ? table("How sessions ended", [["Result"], ["Sessions", "number"]],
      Object.entries(data.ended).map(([result, number]) => [result, count(number)]), false) : empty("None has ended yet.")));
}

async function configPage() {
  const data = await read("api/config");
  show("config", "Configuration", h("h1", {}, "Configuration"), h("p", { class: "lead" }, "As it is in force, and where each value comes from."),
    h("section", { class: "card" }, table("All settings", [["Setting"], ["Value"], ["From"]],
      data.settings.map((setting) => [code(setting.key), setting.value === "" ? h("span", { class: "quiet" }, "not set") : code(setting.value), setting.source]))));
}

// ------------------------------------------------------------------------------------------------ reading

class TokenNeeded extends Error {}
class Outdated extends Error {}

async function read(path) {
  const asked = state.asked;
  const token = sessionStorage.getItem("keyclash-token");
  const reply = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {}, cache: "no-store" });
  if (asked !== state.asked) { throw new Outdated(); }
  if (reply.status === 401) { throw new TokenNeeded(); }
  if (reply.status === 404) { return null; }
  if (!reply.ok) { throw new Error(`the proxy answered ${reply.status}`); }
  const data = await reply.json();
  if (asked !== state.asked) { throw new Outdated(); }
  return data;
}

function askForToken() {
  show("", "Token", h("h1", {}, "A token is needed"),
    h("form", { class: "card", id: "token-form", onsubmit: (event) => {
      event.preventDefault();
      sessionStorage.setItem("keyclash-token", document.getElementById("token").value.trim());
      refresh();
    } },
    h("p", {}, "It is in the file that admin_token_file of proxy.yaml names. It is kept until this tab is closed."),
    h("p", {}, h("label", {}, "Token ", h("input", { id: "token", type: "password", autocomplete: "off", required: true }))),
    h("button", { type: "submit" }, "Open")));
}

function page() {
  const [, name, id] = location.hash.split("/");
  if (name === "key") { return () => keyPage(decodeURIComponent(id || "")); }
  return { rules: rulesPage, sessions: sessionsPage, config: configPage }[name] || keysPage;
}

function tell(text, kind) {
  const there = document.getElementById("state");
  if (there.textContent !== text) { there.textContent = text; }
  there.className = `state ${kind}`;
}

async function refresh() {
  clearTimeout(state.timer);
  state.asked += 1;
  let waits = EVERY;
  try {
    await page()();
    tell(state.paused ? "paused" : `live, ${clock(Date.now() / 1000)}`, state.paused ? "" : "good");
  } catch (error) {
    if (error instanceof Outdated) { return; }
    if (error instanceof TokenNeeded) { tell("token needed", "bad"); askForToken(); return; }
    tell(`no answer (${clock(Date.now() / 1000)})`, "bad");
    waits = 2 * EVERY;
  }
  if (!state.paused) { state.timer = setTimeout(refresh, waits); }
}

document.getElementById("pause").onclick = (event) => {
  state.paused = !state.paused;
  event.currentTarget.setAttribute("aria-pressed", String(state.paused));
  event.currentTarget.textContent = state.paused ? "Go on" : "Pause";
  refresh();
};
document.getElementById("skip").onclick = (event) => { event.preventDefault(); main.focus(); };
window.addEventListener("hashchange", () => { scrollTo(0, 0); main.focus({ preventScroll: true }); refresh(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && !state.paused) { refresh(); } });
refresh();
