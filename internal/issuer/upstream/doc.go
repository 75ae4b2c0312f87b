// Package upstream is the issuer's side towards identity providers: it opens
// connectors for Dex, each on its own and when first needed, records what they
// vouch for, bounds how long they may take, and knows their health.
package upstream
