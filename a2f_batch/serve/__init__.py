"""A small local service: the batch's rendering over HTTP and a WebSocket, for tools that want to talk rather than run a command."""
