// What tests/scripts/clients_test asks Node's http module to do: node node_client.js NAME PORT. Prints one line of JSON.
"use strict";
const http = require("http");
const port = Number(process.argv[3]);

// {status, headers, trailers, body, reused, continued} of one request; `send` writes its body and ends it.
function ask(options, send = (request) => request.end()) {
  return new Promise((resolve, reject) => {
    let continued = false;
    const request = http.request({ host: "127.0.0.1", port, ...options }, (response) => {
      let body = "";
      response.setEncoding("latin1");
      response.on("data", (text) => (body += text));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, trailers: response.trailers, body,
                                         reused: request.reusedSocket, continued }));
    });
    request.on("error", reject);
    request.on("continue", () => (continued = true));
    send(request);
  });
}

const scenarios = {
  // Four requests, one after the other, on one connection.
  async keepalive() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await ask({ agent, path: "/echo" }));
    agent.destroy();
    return answers.map((answer) => [answer.body, answer.reused]);
  },

  // A body of no known length, in pieces, with a trailer behind it.
  async chunked() {
    return ask({ path: "/echo", method: "POST", headers: { Trailer: "X-Digest" } }, (request) => {
      let i = 0;
      const more = () => {
        if (i === 50) {
          request.addTrailers({ "X-Digest": "fifty" });
          return request.end();
        }
        request.write("piece " + i++ + "\n", more);
      };
      more();
    });
  },

  // A field behind the answer.
  async trailer() {
    return ask({ path: "/trailer" });
  },

  // Nothing of the body is sent before the server says so.
  async expect() {
    return ask({ path: "/echo", method: "POST", headers: { Expect: "100-continue", "Content-Length": 100000 } }, (request) => {
      request.on("continue", () => request.end("x".repeat(100000)));
      request.flushHeaders();
    });
  },

  // The client leaves while it waits for the answer, and while it sends.
  async abort() {
    const waits = new Promise((resolve) => {
      const request = http.get({ host: "127.0.0.1", port, path: "/wait" });
      request.on("error", (problem) => resolve(problem.code));
      request.on("socket", (socket) => socket.on("connect", () => setTimeout(() => request.destroy(), 200)));
    });
    const sends = new Promise((resolve) => {
      const request = http.request({ host: "127.0.0.1", port, path: "/stream", method: "POST", headers: { "Content-Length": 1e9 } });
      request.on("error", (problem) => resolve(problem.code));
      request.write("x".repeat(100000), () => request.destroy());
      request.on("close", () => resolve("ECONNRESET"));
    });
    return [await waits, await sends];
  },

  // A hint before the answer.
  async hints() {
    return new Promise((resolve, reject) => {
      let early = null;
      const request = http.get({ host: "127.0.0.1", port, path: "/hint" }, (response) => {
        response.resume();
        response.on("end", () => resolve([early, response.statusCode]));
      });
      request.on("information", (info) => (early = [info.statusCode, info.headers && info.headers.link]));
      request.on("error", reject);
    });
  },

  // Twenty downloads at once, on four connections.
  async parallel() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    const answers = await Promise.all([...Array(20).keys()].map((i) => ask({ agent, path: "/download?size=" + 50000 * i })));
    agent.destroy();
    return answers.map((answer) => answer.body.length);
  },
};

scenarios[process.argv[2]]().then(
  (result) => console.log(JSON.stringify(result)),
  (problem) => {
    console.error(problem);
    process.exit(1);
  },
);
