// Sends the message on standard input to the agent in whose container this runs, and prints its answer.
const fs = require("fs");
const NOT_READY = 7, NO_ANSWER = 8;
const HOSTILE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function filled(value, message) {
  if (typeof value === "string") return value.split("{message}").join(message);
  if (Array.isArray(value)) return value.map((part) => filled(part, message));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, filled(part, message)]));
  }
  return value;
}

function leave(code, said) {
  process.stderr.write(String(said).replace(HOSTILE, " ").slice(0, 500) + "\n");
  process.exitCode = code;
}

async function main() {
  const how = JSON.parse(process.argv[1]);
  const headers = { "Content-Type": "application/json" };
  if (how.auth) headers.Authorization = "Bearer " + JSON.parse(fs.readFileSync(how.secrets, "utf8"))[how.auth];
  const body = JSON.stringify(filled(how.body, fs.readFileSync(0, "utf8")));
  let reply;
  try {
    const signal = AbortSignal.timeout(how.timeout * 1000);
    reply = await fetch(how.url, { method: how.method, headers, body, signal });
  } catch (error) {
    return leave(error.name === "TimeoutError" ? NO_ANSWER : NOT_READY, error.cause ? error.cause.message : error.message);
  }
  const text = await reply.text();
  if (!reply.ok) return leave(NO_ANSWER, `${reply.status} ${text}`);
  try {
    const answer = how.answer.split(".").reduce((value, part) => value[part], JSON.parse(text));
    process.stdout.write(String(answer).replace(HOSTILE, "") + "\n");
  } catch (error) {
    leave(NO_ANSWER, error.message);
  }
}

main().catch((error) => leave(NO_ANSWER, error.message));
