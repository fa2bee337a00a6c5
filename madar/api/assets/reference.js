// A file of its own, so that the page's policy can forbid every script that is written into it.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  // The default asks a foreign host whether the document is valid.
  validatorUrl: null,
});
