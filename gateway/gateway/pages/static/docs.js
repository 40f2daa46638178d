// Swagger UI marks its dark colours by a class on the root element.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// A padlock stands only where a token is needed. Swagger UI shows a closed one, as if the reader
// had signed in, where a token is optional.
const withoutOptional = (operation) => {
  const security = operation.get("security");
  const isOptional = security && security.some((requirement) => requirement.isEmpty());
  return isOptional ? operation.delete("security") : operation;
};
const PadlocksWhereNeeded = ({ React }) => ({
  wrapComponents: {
    OperationSummary: (Summary) => (props) =>
      React.createElement(Summary, { ...props, operationProps: withoutOptional(props.operationProps) }),
  },
});

// Nobody has a client id or secret: docs.css hides their fields, and none are sent.
const SignInWithoutClient = {
  statePlugins: {
    auth: {
      wrapActions: {
        authorizePassword: (authorize) => (auth) => authorize({ ...auth, passwordType: "request-body" }),
      },
    },
  },
};

// Swagger UI shows an error by its status text, of which HTTP/2 has none. A problem says more. It
// may go on with the code of OAuth2, so that the sentence ends without a point.
const explain = (response) => {
  const detail = response.ok ? null : response.body?.detail;
  if (detail) response.statusText = String(detail).replace(/\.$/, "");
  return response;
};

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  plugins: [PadlocksWhereNeeded, () => SignInWithoutClient],
  responseInterceptor: explain,
});
