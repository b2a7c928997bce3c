// Runs one of the npm clients against a server, and prints what it received as JSON lines.
//
//   node npm_clients.mjs CLIENT URL QUERY [EVENTS]
//
// CLIENT is graphql-ws, graphql-sse or apollo. With EVENTS it ends its subscription after so many.

// The name HERE of the environment is taken for this machine; KEY is what lets the client in.

import dns from "node:dns";

const lookup = dns.lookup;
dns.lookup = (name, ...rest) => lookup(name === process.env.HERE ? "127.0.0.1" : name, ...rest);

const [client, url, query, events = "Infinity"] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
let left = Number(events);
const key = process.env.KEY ? { Authorization: `Bearer ${process.env.KEY}` } : {};

// Each returns what to call to end the subscription.
const clients = {
  async "graphql-ws"(sink) {
    const { createClient } = await import("graphql-ws");
    const made = createClient({
      url: url.replace("http", "ws"),
      lazy: true,
      connectionParams: key,
      retryAttempts: 50,
      retryWait: () => new Promise((done) => setTimeout(done, 50)),
      shouldRetry: (event) => event.code !== 4403,
      on: { closed: (event) => say({ closed: event.code }), connected: () => say("connected") },
    });
    const end = made.subscribe({ query }, sink);
    return () => (end(), made.dispose());
  },
  async "graphql-sse"(sink) {
    const { createClient } = await import("graphql-sse");
    const made = createClient({
      url,
      headers: key,
      retryAttempts: 50,
      retry: () => new Promise((done) => setTimeout(done, 50)),
      on: { connecting: () => say("connecting") },
    });
    const end = made.subscribe({ query }, sink);
    return () => (end(), made.dispose());
  },
  async apollo(sink) {
    const { ApolloClient, HttpLink, InMemoryCache, gql } = await import("@apollo/client");
    const link = new HttpLink({ uri: url, headers: key });
    const made = new ApolloClient({ link, cache: new InMemoryCache() });
    const running = made
      .subscribe({ query: gql(query), errorPolicy: "all", fetchPolicy: "no-cache" })
      .subscribe({
        next: ({ data, error }) => sink.next(error ? { error: error.message, errors: error.errors } : { data }),
        error: (error) => sink.error(error),
        complete: () => sink.complete(),
      });
    return () => (running.unsubscribe(), made.stop());
  },
};

const sink = {
  next(result) {
    say(result);
    left -= 1;
    if (left === 0) ending.then((end) => end());
  },
  async error(error) {
    // a closed WebSocket has a code and a reason, HTTP a status and a body
    const status = error.code ?? error.statusCode ?? error.response?.status;
    const said = error.reason ?? error.bodyText ?? (await error.response?.text());
    say({ failed: Array.isArray(error) ? error : String(error.message ?? error), status, said });
    ending.then((end) => end());
  },
  complete() {
    say("complete");
    ending.then((end) => end());
  },
};
const ending = clients[client](sink);
