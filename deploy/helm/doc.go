// Package helm has the Helm chart, for pachd config check --values; its tests render
// it with helm, and install it into a real API server.
package helm
