// The page of Keyclash: reads the API every two seconds and brings what is shown up to date, without touching the rest.
// All text is set as text, never as HTML.

const EVERY = 2000;
const SVG = "http://www.w3.org/2000/svg";
const state = { paused: false, timer: 0, asked: 0, filter: "", all: false };
const FEW = 12;  // conflicts that are listed unless all are asked for
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

const dot = (name) => h("span", { class: `dot ${name}` }, name);
const chips = (counts) => h("span", { class: "chips" }, Object.entries(counts).map(([name, number]) =>
  h("span", { class: `chip ${name}` }, `${name} `, h("b", {}, count(number)))));

// ------------------------------------------------------------------------------------------------ drawings

function spark(numbers) {
  const most = Math.max(...numbers, 1);
  const points = numbers.map((number, at) => `${((at / (numbers.length - 1)) * 100).toFixed(1)} ${(30 - (number / most) * 28).toFixed(1)}`);
  return h("svg", { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", role: "img",
    "aria-label": `${plural(total(numbers), "conflict")} in the last hour, ${count(numbers.at(-1))} in this minute` },
  h("path", { d: `M0 31L${points.join("L")}L100 31Z`, class: "area" }),
  h("path", { d: `M${points.join("L")}`, class: "line", "vector-effect": "non-scaling-stroke" }));
}

// Bars for every three minutes of six hours, one part on top of the other; series: numbers per minute by name.
function history(series, now) {
  const names = Object.keys(series);
  const minutes = Math.max(...names.map((name) => series[name].length));
  const grouped = names.map((name) => {
    const bars = [];
    for (let at = 0; at < minutes; at += 3) { bars.push(total(series[name].slice(at, at + 3))); }
    return bars;
  });
  const sums = grouped[0].map((_, at) => total(grouped.map((bars) => bars[at])));
  const most = Math.max(...sums, 1);
  const below = sums.map(() => 0);
  const told = names.map((name) => `${name} ${count(total(series[name]))}`).join(", ");
  return [
    h("svg", { class: "history", viewBox: `0 0 ${sums.length} 40`, preserveAspectRatio: "none", role: "img",
      "aria-label": `The last six hours: ${told}; at most ${plural(most, "conflict")} in three minutes` },
    h("path", { d: `M0 39.6h${sums.length}v.4H0z`, class: "back" }),
    grouped.map((bars, which) => h("path", { class: `front ${names[which]}`, d: bars.map((number, at) => {
      if (!number) { return ""; }
      const height = (number / most) * 40;
      below[at] += height;
      return `M${at} ${(40 - below[at]).toFixed(2)}h.8v${height.toFixed(2)}h-.8z`;
    }).join("") || "M0 0" }))),
    h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, clock(now - minutes * 60)), h("span", {}, `highest: ${count(most)} in 3 min`), h("span", {}, clock(now))),
  ];
}

function share(part, name) {
  return h("svg", { class: `share ${name}`, viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    h("rect", { class: "back", width: "100", height: "4" }), h("rect", { class: "front", width: (part * 100).toFixed(1), height: "4" }));
}

function breakdown(id, title, caption, counts, series, words, now) {
  const sum = Math.max(total(Object.values(counts)), 1);
  return h("section", { class: "card", id }, h("h2", {}, title), history(series, now),
    table(caption, [["Name"], ["Share"], ["Conflicts", "number"]], Object.entries(counts).map(([name, number]) => [
      dot(name), [h("span", { class: "small quiet" }, words[name] || ""), share(number / sum, name)],
      [count(number), h("span", { class: "small quiet" }, ` ${Math.round((number / sum) * 100)} %`)],
    ]), false));
}

function tiles(...facts) {
  return h("dl", { class: "tiles" }, facts.map(([name, value, more]) => h("div", {}, h("dt", {}, name),
    h("dd", {}, h("b", {}, value), more ? h("span", { class: "small quiet" }, more) : null))));
}

// ------------------------------------------------------------------------------------------------ pages

const place = (key) => [key.schema, key.table].filter(Boolean).join(".") || "table not known";
const named = (key) => `${key.key}${key.columns.length ? ` (${key.columns.join(", ")})` : ""}`;
const ERRORS = ["returned", "refused", "failed"];  // outcomes that the application sees as an error

async function keysPage() {
  const data = await read("api/keys");
  const wanted = state.filter.toLowerCase();
  const keys = data.keys.filter((key) => `${place(key)}.${key.key}`.toLowerCase().includes(wanted));
  const seen = total(data.keys.map((key) => key.count));
  const errors = total(data.keys.flatMap((key) => ERRORS.map((name) => key.outcomes[name] || 0)));
  const part = (number) => (seen ? ` ${Math.round((number / seen) * 100)} %` : "");
  const listed = keys.map((key) => [
    [h("a", { href: `#/key/${key.id}` }, place(key)), h("span", { class: "under" }, named(key))],
    spark(key.per_minute), h("b", {}, count(key.count)), chips(key.outcomes), chips(key.causes),
    h("span", { class: "nowrap quiet" }, ago(key.last, data.at)),
  ]);
  show("keys", "Keys", h("h1", {}, "Keys in conflict"),
    tiles(["Conflicts", count(data.total), data.others ? ` ${count(data.others)} on keys not listed` : ""], ["Errors for applications", count(errors), part(errors)],
      ["Answered by rules", count(seen - errors), part(seen - errors)], ["Keys", count(data.keys.length)], ["Open sessions", count(data.sessions)]),
    h("section", { class: "card" },
      h("div", { class: "bar" }, h("h2", {}, "By number of conflicts"), h("label", { class: "small quiet" }, "Filter ", h("input", {
        id: "filter", type: "search", autocomplete: "off", placeholder: "table or key", oninput: (event) => { state.filter = event.target.value; refresh(); },
      }))),
      listed.length ? table("Every unique key that had duplicate-key errors, the one with most first", [
        ["Table and key"], ["Last hour"], ["Conflicts", "number"], ["What became of them"], ["Causes"], ["Last"],
      ], listed) : data.keys.length ? empty("No key has this in its name.") : h("div", { class: "empty" }, h("p", {}, h("strong", {}, "No duplicate-key error has been seen yet.")),
        h("p", {}, "As soon as a server answers an INSERT with error 1062, its key is listed here: how often, why, and what to do about it."))),
    h("p", { class: "small quiet" }, `Keyclash ${data.version}`));
}

// What came once may have taken the place of another: only what surely came again, or was never displaced, says anything.
const sure = (list) => list.filter((hitter) => hitter.error === 0 || hitter.count - hitter.error > 1);

const hitters = (caption, name, list) => sure(list).length === 0 ? empty("None stands out.") : table(caption, [[name], ["Conflicts", "number"]], sure(list).map((hitter) => [
  code(hitter.value), hitter.error ? `${count(hitter.count - hitter.error)} to ${count(hitter.count)}` : count(hitter.count),
]), false);

function suggestionCard(suggestion) {
  const dry = suggestion.dry_run;
  return h("section", { class: `card ${suggestion.rule ? "advice" : ""}`, id: "suggestion" }, h("h2", {}, "Suggestion"),
    suggestion.rule
      ? h("p", {}, h("strong", { class: "big" }, suggestion.action), ` with ${suggestion.level} confidence (${Math.round(suggestion.confidence * 100)} %)`)
      : h("p", {}, h("strong", {}, "No rule is suggested.")),
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

function conflictsCard(data) {
  const shown = state.all ? data.conflicts : data.conflicts.slice(0, FEW);
  const rows = shown.map((conflict) => [
    moment(conflict.at), dot(conflict.outcome), dot(conflict.cause),
    conflict.entry === null ? "" : code(conflict.entry), conflict.user, conflict.client, conflict.rule || "",
    conflict.latency === null ? "" : `${(conflict.latency * 1000).toFixed(1)} ms`,
  ]);
  return card("Recent conflicts", table(data.show_values ? "The newest first" : "The newest first; values in conflict are shown as hashes",
    [["Time"], ["Outcome"], ["Cause"], ["Entry"], ["User"], ["Client"], ["Rule"], ["Longer by", "number"]], rows),
  data.conflicts.length > FEW ? h("button", { type: "button", "aria-expanded": String(state.all), onclick: () => { state.all = !state.all; refresh(); } },
    state.all ? `Show the newest ${FEW} only` : `Show all ${data.conflicts.length}`) : null);
}

async function keyPage(id) {
  const data = await read(`api/keys/${encodeURIComponent(id)}`);
  if (!data) {
    show("", "Key", h("h1", {}, "No such key"), h("p", {}, "It has had no conflict of late. ", h("a", { href: "#/" }, "All keys")));
    return;
  }
  const key = data.key;
  const now = Date.now() / 1000;
  show("keys", `${place(key)} ${key.key}`,
    h("p", { class: "small" }, h("a", { href: "#/" }, "All keys")),
    h("h1", {}, place(key), h("span", { class: "under" }, named(key))),
    h("p", { class: "lead" }, h("b", {}, plural(key.count, "conflict")), ", the first ", moment(key.first), `, the last ${ago(key.last, now)}`),
    suggestionCard(data.suggestion),
    h("div", { class: "two" },
      breakdown("outcomes", "What became of them", "Conflicts by outcome; above, those of the last six hours", key.outcomes, data.outcome_minutes, OUTCOMES, now),
      breakdown("causes", "Why they happened", "Conflicts by cause; above, those of the last six hours", key.causes, data.cause_minutes, CAUSES, now)),
    explanationCard(data.explanation),
    h("div", { class: "two" },
      card("Most frequent entries", hitters(data.show_values ? "Values in conflict" : "Values in conflict, as hashes", "Entry", data.entries)),
      card("Users", hitters("Who met the conflicts", "User", data.users))),
    card("Statements", data.samples.length ? hitters("Without their values", "Statement", data.samples) : empty("No statement was seen as a whole.")),
    conflictsCard(data));
}

async function rulesPage() {
  const data = await read("api/rules");
  const rows = data.rules.map((rule) => [
    [h("b", {}, rule.name), h("span", { class: "under", title: rule.source }, `line ${rule.source.split(":").at(-1)}`)],
    [rule.table, h("span", { class: "under" }, rule.keys.join(", ") || "any unique key")],
    [rule.action, h("span", { class: "under" }, `when: ${rule.when}`)],
    rule.tripped ? h("span", { class: "dot tripped" }, "tripped: it rests") : rule.dry_run ? h("span", { class: "dot refused" }, "dry run") : h("span", { class: "dot kept" }, "in force"),
    [Object.keys(rule.conflicts).length ? chips(rule.conflicts) : h("span", { class: "quiet" }, "none yet"), rule.rewrites.dry_run ? h("span", { class: "under" }, `dry run: ${count(rule.rewrites.dry_run)} would have been answered`) : null],
    rule.skips.length ? h("ul", { class: "reasons small" }, rule.skips.map((skip) => h("li", {}, `${count(skip.count)}: ${skip.words}`))) : h("span", { class: "quiet" }, "none"),
  ]);
  show("rules", "Rules", h("h1", {}, "Rules"),
    h("p", { class: "lead" }, data.source ? [`${data.source}, version ${data.version}, loaded `, moment(data.loaded_at)] : "No rules file: every conflict is seen, counted and explained."),
    data.reloaded ? null : h("div", { class: "card tripped" }, h("p", {}, "The last attempt to read the files failed; what was in force before still is."),
      h("ul", { class: "reasons small" }, data.problems.map((problem) => h("li", {}, problem)))),
    h("section", { class: "card" }, rows.length ? table("In the order of the file; the first that fits is followed", [
      ["Rule"], ["Table and key"], ["Action"], ["State"], ["Conflicts"], ["Left alone"],
    ], rows) : h("div", { class: "empty" }, h("p", {}, h("strong", {}, "There are no rules.")), h("p", {}, "Every conflict is seen, counted and explained; the page of a key says which rule would help."))));
}

async function sessionsPage() {
  const data = await read("api/sessions");
  show("sessions", "Sessions", h("h1", {}, "Sessions"),
    h("p", { class: "lead" }, `${plural(data.open, "session")} open.`),
    card("Open", data.sessions.length ? table("One row for each client", [["Thread"], ["User"], ["Client"], ["State"]],
      data.sessions.map((session) => [String(session.thread_id), session.user, session.client, h("span", { class: `dot ${session.idle ? "" : "updated"}` }, session.idle ? "idle" : "busy")])) : empty("No client is connected.")),
    card("Ended", Object.keys(data.ended).length ? table("How sessions ended", [["Result"], ["Sessions", "number"]],
      Object.entries(data.ended).map(([result, number]) => [result, count(number)]), false) : empty("None has ended yet.")));
}

async function configPage() {
  const data = await read("api/config");
  show("config", "Configuration", h("h1", {}, "Configuration"), h("p", { class: "lead" }, "As it is in force, and where each value comes from."),
    h("section", { class: "card" }, table("All settings", [["Setting"], ["Value"], ["From"]],
      data.settings.map((setting) => [code(setting.key), setting.value === "" ? h("span", { class: "quiet" }, "not set") : code(setting.value),
        setting.source === "default" ? h("span", { class: "quiet" }, "default") : setting.source]))));
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
