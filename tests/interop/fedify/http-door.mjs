// A Node HTTP server in front of functions that take and give fetch's Request and
// Response, which is what Fedify speaks. The first line it prints is its port.

import { createServer } from "node:http";

async function bodyOf(incoming) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function open(answer, { port = 0 } = {}) {
  const server = createServer(async (incoming, outgoing) => {
    const bound = server.address().port;
    const headers = new Headers();
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
      headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
    }
    const hasBody = !["GET", "HEAD"].includes(incoming.method);
    const request = new Request(`http://127.0.0.1:${bound}${incoming.url}`, {
      method: incoming.method,
      headers,
      body: hasBody ? await bodyOf(incoming) : undefined,
    });
    let response;
    try {
      response = await answer(request);
    } catch (error) {
      console.error(error);
      response = new Response(String(error), { status: 500 });
    }
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  await new Promise((opened) => server.listen(port, "127.0.0.1", opened));
  console.log(server.address().port);
  return `http://127.0.0.1:${server.address().port}`;
}
