// A certified OpenID provider that is not ours: panva's oidc-provider, with its
// development login pages. Usage: node oidc-provider.mjs PORT REDIRECT_URI...
import { Provider } from 'oidc-provider';

const [port, ...redirectURIs] = process.argv.slice(2);
const { pushedOnly = false, authMethod, keysURL } = JSON.parse(process.env.OPTIONS ?? '{}');
const people = {
  jane: { email: 'jane@example.org', name: 'Jane Doe', groups: ['admins', 'developers'] },
};
for (const p of JSON.parse(process.env.PEOPLE ?? '[]')) {
  people[p.Name] = { email: p.Email, name: p.Name, groups: p.Groups };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'pachyderm',
    ...(authMethod !== 'private_key_jwt' && { client_secret: process.env.CLIENT_SECRET }),
    ...(authMethod && { token_endpoint_auth_method: authMethod }),
    ...(keysURL && { jwks_uri: keysURL }),
    redirect_uris: redirectURIs,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  ...(authMethod && { clientAuthMethods: [authMethod] }),
  // The client's keys are on this machine, which the provider's own guard refuses.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
  claims: {
    openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'],
  },
  findAccount: (_, id) => people[id] && {
    accountId: id,
    claims: () => ({ sub: id, email_verified: true, ...people[id] }),
  },
  features: {
    devInteractions: { enabled: true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: pushedOnly },
  },
  pkce: { required: () => true },
  cookies: { keys: [process.env.CLIENT_SECRET] },
  ttl: { Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, Interaction: 600 },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
