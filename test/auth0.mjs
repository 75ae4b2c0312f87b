// The simulator of Auth0. Usage: node auth0.mjs PORT, in a folder with its rules
import { createRequire } from 'node:module';

// Its module for import does not find its own folder.
const { simulation } = createRequire(import.meta.url)('@simulacrum/auth0-simulator');

const port = Number(process.argv[2]);
const users = JSON.parse(process.env.PEOPLE).map((p) => ({
  id: `auth0|${p.Name}`, name: p.Name, email: p.Email, password: p.Password,
}));
simulation({
  options: {
    port,
    clientID: process.env.CLIENT_ID,
    audience: 'https://api.example.com/',
    scope: 'openid profile email offline_access',
    rulesDirectory: 'rules',
  },
  initialState: { users },
}).listen(port, '127.0.0.1');
