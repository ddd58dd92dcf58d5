/*
 * A request as the app sees it, behind the rack's router.
 *
 *   ANY /        method, path, the client's own address, scheme and host, the headers
 *   GET /clock   the time, once a second, as server-sent events
 *   GET /health  ok
 */
"use strict";

const express = require("express");

const app = express();
const port = Number(process.env.PORT || 3000);
const clocks = new Set();

/* The router is the only one in front, and writes X-Forwarded-For and -Proto itself. */
app.set("trust proxy", 1);
app.disable("x-powered-by");

app.get("/health", (request, response) => response.type("text").send("ok\n"));

app.get("/clock", (request, response) => {
	response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
	const tick = () => response.write(`data: ${new Date().toISOString()}\n\n`);
	const timer = setInterval(tick, 1000);
	clocks.add(response);
	response.on("close", () => {
		clearInterval(timer);
		clocks.delete(response);
	});
	tick();
});

app.all("/", (request, response) => {
	console.log(`${request.method} ${request.originalUrl} from ${request.ip}`);
	response.json({
		method: request.method,
		path: request.originalUrl,
		client: request.ip,
		scheme: request.protocol,
		host: request.hostname,
		headers: request.headers,
		release: process.env.RELEASE || null,
	});
});

const server = app.listen(port, () => console.log(`listening on ${port}`));

/* No new connections; those that wait go, those in use end with their answer. */
process.on("SIGTERM", () => {
	console.log("ending");
	server.close(() => process.exit(0));
	server.closeIdleConnections();
	for (const response of clocks)
		response.end();
});
