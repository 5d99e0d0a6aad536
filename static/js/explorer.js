// Swagger UI over our schema, and the button that fetches a sandbox token for it. The token is kept for this tab, so
// that a reload does not lose it; it lasts an hour and opens the sandbox only.
"use strict";

const place = document.getElementById("swagger-ui");
const form = document.getElementById("sandbox-token");
const STORE = "track360-sandbox-token";

const ui = SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  requestInterceptor: toThisServer,
  onComplete: restore,
});

// The document names the server's public address; the page may be open under another name of the same server.
function toThisServer(request) {
  const url = new URL(request.url, location.href);
  request.url = location.origin + url.pathname + url.search;
  return request;
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(STORE) || "null");
  if (form && kept && kept.until > Date.now()) use(kept);
}

function use(token) {
  ui.specSelectors.securityDefinitions()?.forEach((scheme, name) => ui.authActions.authorizeOauth2({
    auth: { name, schema: scheme.toJS() },
    token: { access_token: token.value, token_type: "Bearer" },
  }));
  const until = new Date(token.until).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  document.getElementById("token-state").textContent = `Calls are sent as ${token.client} until ${until}.`;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const state = document.getElementById("token-state");
  const chosen = form.elements.client_id.selectedOptions[0];
  state.textContent = "Fetching a token…";
  try {
    const answer = await fetch(chosen.dataset.url, { method: "POST", body: new FormData(form) });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    const token = { value: body.access_token, client: body.client, until: Date.now() + body.expires_in * 1000 };
    sessionStorage.setItem(STORE, JSON.stringify(token));
    use(token);
  } catch (error) {
    state.textContent = error instanceof SyntaxError ? "That did not work. Reload the page and try again." : error.message;
  }
});
