package kit

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// OpenBrowser opens an address in a browser. The address is shown already, so it is
// no failure if there is no browser to be found.
func (k *Kit) OpenBrowser(ctx context.Context, u string) {
	command := browser(k.Getenv, runtime.GOOS)
	if len(command) == 0 {
		k.Notef("No browser was found. Open the address yourself if the browser is on this machine; " +
			"otherwise press Ctrl-C and use: pachctl auth login --no-browser\n")
		return
	}
	given := false
	for i, word := range command {
		if strings.Contains(word, "%s") {
			command[i], given = strings.ReplaceAll(word, "%s", u), true
		}
	}
	if !given {
		command = append(command, u)
	}
	// It lives longer than this command does.
	run := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...) //nolint:gosec // the user's own choice of browser
	if err := run.Start(); err != nil {
		k.Notef("The browser cannot be started (%v). Open the address yourself, or use: pachctl auth login --no-browser\n", err)
		return
	}
	go func() { _ = run.Wait() }()
}

// browser is the command that opens an address, or nothing if there is no
// desktop to show one.
func browser(getenv func(string) string, system string) []string {
	for choice := range strings.SplitSeq(getenv("BROWSER"), string(os.PathListSeparator)) {
		if words := strings.Fields(choice); len(words) > 0 {
			return words
		}
	}
	switch {
	case system == "darwin":
		return []string{"open"}
	case system == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "":
		return nil
	}
	return []string{"xdg-open"}
}
