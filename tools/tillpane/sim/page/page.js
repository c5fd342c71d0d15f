"use strict";

const $ = (id) => document.getElementById(id);
const SWITCHES = [
  ["wifi", "Wi-Fi down", "The access point is gone; every connection breaks"],
  ["silent", "Internet dead", "Wi-Fi stays up, but nothing comes through"],
  ["slow", "API slow", "Every answer takes four seconds"],
  ["slower", "API too slow", "Eight seconds: longer than the box waits for a poll"],
  ["error500", "API answers 500", "Every call fails on the server"],
  ["html", "HTML, not JSON", "A web page comes back instead of an answer"],
  ["limit", "Rate limit", "429 with Retry-After, as when displays crowd"],
  ["lost", "Lost answer", "The next sale is created, its answer never arrives", true],
  ["cable", "Serial cable out", "The till and the box no longer hear each other"],
  ["panel", "Panel fails", "Nothing more gets onto the glass: a sale is withdrawn"],
];
const SCREENS = {
  "starting": "The panel shows: starting", "joining-wifi": "The panel shows: joining Wi-Fi", "ready": "The panel shows: ready for a sale",
  "preparing": "The panel shows: preparing", "pay": "The panel shows the amount and a QR code to scan", "paid": "The panel shows: paid",
  "cancelled": "The panel shows: cancelled", "expired": "The panel shows: expired", "checking": "The panel shows: checking the outcome",
  "failed": "The panel shows: failed", "out-of-order": "The panel shows: out of order", "mirror": "The panel shows the till’s own screen",
};
const TILL_WORDS = {
  idle: "Enter an amount, then Sale", asked: "Asking the box …", waiting: "Waiting for the patron", unknown: "Outcome not known yet",
  paid: "PAID", cancelled: "Cancelled", expired: "Expired, not paid", failed: "Failed, nothing was payable", refused: "Refused",
};

const VERBS = {
  item: "Ring up", total: "Total", change: "Cash: change", idle: "Next patron", sale: "Sale", cancel: "Cancel", last: "Last result", refund: "Refund",
};
const HINTS = { display: "Enter a price, ring it up, then Total", terminal: "Enter an amount, then Sale" };

let socket = null;
let about = { kind: "line", verbs: [], decimals: 2 };
let digits = "";
let power = { on: false, words: "starting" };
let faults = {};
let retry = null;

// --- the wire to the simulator -------------------------------------------------------------------

function connect() {
  socket = new WebSocket(`ws://${location.host}/ws`);
  socket.binaryType = "blob";
  socket.onopen = () => { say(""); };
  socket.onmessage = (event) => {
    if (typeof event.data === "string") take(JSON.parse(event.data));
    else paint(event.data);
  };
  socket.onclose = () => {
    say("The demo has stopped. Start it again with “make demo”; this page will find it.");
    clearTimeout(retry);
    retry = setTimeout(connect, 1500);
  };
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function take(message) {
  const handlers = {
    hello: greet, line: addLine, bytes: addBytes, console: (m) => addConsole(m.text), screen: (m) => nameScreen(m.name), power: showPower,
    phone: showPhone, till: showTill, ledger: showLedger, faults: (m) => showFaults(m.on), sorry: (m) => say(m.words, 5000),
  };
  if (handlers[message.t]) handlers[message.t](message);
}

function greet(hello) {
  $("wire").replaceChildren();
  $("console").textContent = "";
  meet(hello.about);
  hello.lines.forEach((line) => (line.t === "bytes" ? addBytes(line) : addLine(line)));
  hello.console.forEach(addConsole);
  $("path").textContent = hello.path;
  $("command").parentElement.hidden = about.kind !== "line";
  $("command").textContent = `printf 'SALE 1 12.34\\r\\n' > ${hello.path}; cat ${hello.path}`;
  $("apiurl").textContent = hello.api;
  nameScreen(hello.screen);
  showPower(hello.power);
  showPhone(hello.phone);
  showTill(hello.till);
  showLedger(hello.ledger);
  showFaults(hello.faults);
}

let sayTimer = null;
function say(words, forMs) {
  clearTimeout(sayTimer);
  $("banner").textContent = words;
  $("banner").hidden = !words;
  if (forMs) sayTimer = setTimeout(() => say(""), forMs);
}

// --- the box ---------------------------------------------------------------------------------------

let picture = null;
let grain = 1;

async function paint(blob) {
  picture = await createImageBitmap(blob);
  fit();
}

// Fetched with the page, so that the glass is never black while the socket opens.
function paintFirst() {
  if (picture || !$("first").naturalWidth) return;
  picture = $("first");
  fit();
}

function draw() {
  if (!picture) return;
  for (const [id, times] of [["panel", grain], ["camera", 1]]) {
    const canvas = $(id);
    if (canvas.width !== picture.width * times || canvas.height !== picture.height * times) {
      canvas.width = picture.width * times;
      canvas.height = picture.height * times;
    }
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  }
}

// Whole screen pixels per panel pixel where the window has room for two or more; half steps, drawn three times as fine, below that.
function fit() {
  const width = picture ? picture.width : 240;
  const height = picture ? picture.height : 320;
  const dpr = window.devicePixelRatio || 1;
  const wide = $("box").parentElement.clientWidth - 56;
  const room = Math.min(wide / width, Math.max(1.5, (window.innerHeight - 190) / height));
  let scale = Math.max(1, Math.floor(room * dpr)) / dpr;
  grain = 1;
  if (scale < 1.5 && room >= 1.5) {
    scale = 1.5;
    grain = 3;
  }
  const canvas = $("panel");
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  canvas.style.imageRendering = grain === 1 ? "pixelated" : "auto";
  draw();
}

function nameScreen(name) {
  const words = SCREENS[name] || "The panel is dark";
  $("panel").setAttribute("aria-label", words);
  $("spoken").textContent = words;
}

function showPower(state) {
  power = state;
  $("led").classList.toggle("on", state.on);
  $("lamp-power").classList.toggle("on", state.on);
  $("fact-power").textContent = state.on ? `Box on (${state.words})` : state.words[0].toUpperCase() + state.words.slice(1);
  $("power").textContent = state.on ? "Cut the power" : "Give it power";
  $("restart").disabled = !state.on;
}

function addConsole(text) {
  const view = $("console");
  const low = view.scrollTop + view.clientHeight >= view.scrollHeight - 30;
  const lines = (view.textContent + text + "\n").split("\n");
  view.textContent = lines.slice(-200).join("\n");
  if (low) view.scrollTop = view.scrollHeight;
}

// --- the till ---------------------------------------------------------------------------------------

// Which till it is: its line, its keys, and whether it has a customer display of its own.
function meet(till) {
  about = till;
  const line = till.kind === "line";
  $("tillline").textContent = till.line.replace(",", " ");
  $("kind").textContent = line ? "" : `${till.name}: ${till.title}`;
  $("kind").hidden = line;
  $("pole").hidden = till.kind !== "display";
  $("verbs").hidden = line;
  $("type").hidden = $("cancel").hidden = $("sale").hidden = !line;
  if (!line) $("tillwords").textContent = HINTS[till.kind];
  if (!digits) $("amount").textContent = amountText();
  $("verbs").replaceChildren(...till.verbs.map((verb) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = VERBS[verb];
    if (!["item", "total", "sale"].includes(verb)) button.className = "second";
    button.onclick = () => doVerb(verb);
    return button;
  }));
}

function doVerb(verb) {
  if (["item", "sale"].includes(verb) && !Number(digits)) {
    $("tillwords").textContent = "An amount first";
    return;
  }
  send({ do: "till", verb, amount: Number(digits) ? amountText() : "" });
  digits = "";
}

function amountText() {
  if (!about.decimals) return digits || "0";
  const padded = digits.padStart(3, "0");
  return `${padded.slice(0, -2)}.${padded.slice(-2)}`;
}

function press(key) {
  if (key === "back") digits = digits.slice(0, -1);
  else if ((digits + key).length <= 8) digits = (digits + key).replace(/^0+/, "");
  $("display").dataset.state = "idle";
  $("amount").textContent = amountText();
  $("tillwords").textContent = HINTS[about.kind] || TILL_WORDS.idle;
}

function startSale() {
  if (about.kind !== "line") {
    doVerb(about.kind === "terminal" ? "sale" : digits ? "item" : "total");
    return;
  }
  if (!Number(digits)) {
    $("tillwords").textContent = "An amount first";
    return;
  }
  send({ do: "sale", amount: amountText() });
}

function showTill(till) {
  if (!till.ref) return;
  $("display").dataset.state = till.state;
  $("amount").textContent = till.amount || amountText();
  if (about.kind !== "line") {
    if (till.rows) $("pole").textContent = till.rows.map((row) => row.padEnd(20)).join("\n");
    $("tillwords").textContent = till.words;
    return;
  }
  const words = TILL_WORDS[till.state] || till.state;
  $("tillwords").textContent = `${till.ref}  ${words}${till.words && till.state !== "waiting" ? `, ${till.words}` : ""}`;
  if (till.state !== "refused") digits = "";
}

function addLine(line) {
  addEntry(line, [line.text]);
}

// Bytes that come close together are one entry: it is sent again, longer, until the wire is silent.
function addBytes(burst) {
  const text = document.createElement("b");
  text.textContent = burst.text;
  const last = $("wire").lastElementChild;
  const what = document.createElement("div");
  what.append(burst.hex, text);
  if (last && last.dataset.id === String(burst.id)) last.lastElementChild.replaceWith(what);
  else addEntry(burst, [what]);
}

function addEntry(line, what) {
  const list = $("wire");
  const low = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
  const item = document.createElement("li");
  item.className = line.who;
  if (line.id) item.dataset.id = line.id;
  const when = document.createElement("time");
  when.textContent = line.at.toFixed(1);
  const who = document.createElement("span");
  who.textContent = line.who === "till" ? "till" : "box";
  item.append(when, who, ...what);
  list.append(item);
  while (list.children.length > 200) list.firstChild.remove();
  if (low) list.scrollTop = list.scrollHeight;
}

// --- the phone --------------------------------------------------------------------------------------

function money(amount, currency) {
  if (amount === "" || amount === undefined) return "";
  try {
    const format = new Intl.NumberFormat("en-NZ", { style: "currency", currency });
    return format.format(Number(amount) / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${amount} ${currency}`;
  }
}

function showPhone(phone) {
  $("phone").dataset.state = phone.state;
  $("merchant").textContent = phone.merchant || "";
  $("sum").textContent = money(phone.amount, phone.currency);
  $("url").textContent = phone.url || "nothing yet";
  $("hint").textContent = phone.visible ? "Code found" : phone.id ? "The code has left the glass" : "Looking for a code";
  const words = {
    looking: "Point it at the box: the code is read from the pixels on the glass.", reading: "Asking the API what this is …",
    asked: "asks you to pay", paid: "You paid. Thank you!", declined: "You declined.",
  };
  const refusals = {
    REQUEST_EXPIRED: "Too late: the request has expired.", REQUEST_CANCELLED: "The merchant has cancelled this.", REQUEST_PAID: "This has been paid already.",
  };
  $("say").textContent = phone.words ? refusals[phone.words] || `Refused: ${phone.words}` : words[phone.state] || "";
  for (const button of $("acts").children) button.disabled = phone.state !== "asked";
}

// --- faults, ledger -----------------------------------------------------------------------------------

function buildSwitches() {
  for (const [name, title, words, once] of SWITCHES) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = once ? "switch once" : "switch";
    button.dataset.name = name;
    if (!once) {
      button.setAttribute("role", "switch");
      button.setAttribute("aria-checked", "false");
    }
    const head = document.createElement("b");
    head.textContent = title;
    const small = document.createElement("small");
    small.textContent = words;
    const knob = document.createElement("i");
    knob.setAttribute("aria-hidden", "true");
    button.append(head, small, knob);
    button.onclick = () => {
      send({ do: "fault", name, on: button.getAttribute("aria-checked") !== "true" });
    };
    $("switches").append(button);
  }
}

function showFaults(on) {
  faults = on;
  for (const button of $("switches").children) {
    const active = Boolean(on[button.dataset.name]);
    if (button.classList.contains("once")) button.classList.toggle("armed", active);
    else button.setAttribute("aria-checked", String(active));
  }
  const net = on.wifi ? "Wi-Fi down" : on.silent ? "Wi-Fi up, no internet" : "Wi-Fi up";
  $("fact-wifi").textContent = net;
  $("lamp-wifi").classList.toggle("on", !on.wifi && !on.silent);
  const ill = on.error500 || on.html || on.limit || on.slow || on.slower;
  $("fact-api").textContent = ill ? "API ill" : "API well";
  $("lamp-api").classList.toggle("on", !ill);
}

function showLedger(ledger) {
  if (!ledger.rows.length) return;
  const rows = ledger.rows.map((row) => {
    const tr = document.createElement("tr");
    const cells = [
      [row.shortCode, "ref"], [row.externalRef || "", "ref"], [row.status === "new" ? "payable" : row.status, `status ${row.status}`],
      [money(row.created, row.currency), "n"], [money(row.paid, row.currency), "n"], [money(row.refunded, row.currency), "n"],
    ];
    for (const [text, kind] of cells) {
      const td = document.createElement("td");
      td.className = kind;
      td.textContent = text;
      tr.append(td);
    }
    return tr;
  });
  $("ledger").replaceChildren(...rows);
}

// --- hands ------------------------------------------------------------------------------------------

document.querySelectorAll("[data-key]").forEach((key) => { key.onclick = () => press(key.dataset.key); });
document.querySelectorAll("[data-how]").forEach((act) => { act.onclick = () => send({ do: "phone", how: act.dataset.how }); });
document.querySelectorAll("[data-copy]").forEach((button) => {
  button.onclick = async () => {
    await navigator.clipboard.writeText($(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1400);
  };
});
document.querySelectorAll("[data-press]").forEach((button) => {
  button.onclick = () => send({ do: "button", hold: button.dataset.press === "hold" });
});
$("sale").onclick = startSale;
$("cancel").onclick = () => send({ do: "cancel" });
$("power").onclick = () => send({ do: "power", on: !power.on });
$("restart").onclick = () => send({ do: "restart" });
$("type").onsubmit = (event) => {
  event.preventDefault();
  if ($("line").value) send({ do: "type", line: $("line").value });
  $("line").value = "";
};
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[0-9]$/.test(event.key)) press(event.key);
  else if (event.key === "Backspace") press("back");
  else if (event.key === "Enter" && !event.target.closest("button, a, summary")) startSale();
  else if (event.key === "Escape" && about.kind === "line") send({ do: "cancel" });
  else if (event.key === "Escape" && about.verbs.includes("cancel")) doVerb("cancel");
  else return;
  event.preventDefault();
});
window.addEventListener("resize", fit);
buildSwitches();
fit();
$("first").addEventListener("load", paintFirst);
paintFirst();
connect();
