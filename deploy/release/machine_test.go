//go:build cluster

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a copy of this one in namespaces of its own, with systemd as its first
// process and a network that leads nowhere. What is changed in it goes with it.
type machine struct {
	t    *testing.T
	root string // as seen from here
	pid  string // of its systemd
}

// What systemd starts is what the test asks for: the rest of what is installed here
// is not this test's. It writes its settings of the kernel nowhere.
const boot = `set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" root
cd root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
for dir in run tmp; do mount -t tmpfs tmpfs $dir; done
mount --rbind /dev dev
mount --rbind /sys sys
mkdir -p run/systemd/system
cat >run/systemd/system/test.target <<U
[Unit]
Requires=dbus.service
After=dbus.service
U
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-udev-trigger systemd-binfmt; do ln -s /dev/null run/systemd/system/$unit.service; done
ip link set lo up
# A credential appears as a mount that systemd makes in a namespace of its own.
mount --make-rshared .
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system --unit=test.target --log-target=null
`

func startMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "machine") //nolint:usetesting // mounts lie below it, and go with the namespace
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup", "bash", "-c", boot, "boot", dir)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(dir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	groups := groupDirs()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		text, _ := os.ReadFile(log.Name())
		if t.Failed() {
			t.Logf("%s", text)
		}
		_ = log.Close()
		for _, made := range []string{dir, log.Name()} {
			_ = os.RemoveAll(made)
		}
		for group := range groupDirs() {
			if !groups[group] {
				_ = exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
			}
		}
	})
	n := &machine{t: t}
	for deadline := time.Now().Add(20 * time.Second); n.pid == ""; time.Sleep(100 * time.Millisecond) {
		out, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", c.Process.Pid, c.Process.Pid))
		if exe, err := os.Readlink("/proc/" + strings.TrimSpace(string(out)) + "/exe"); err == nil && strings.HasSuffix(exe, "/systemd") {
			n.pid = strings.TrimSpace(string(out))
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("systemd does not begin: %s", text)
		}
	}
	n.root = "/proc/" + n.pid + "/root"
	n.eventually("systemctl", "is-system-running", "--wait")
	return n
}

func groupDirs() map[string]bool {
	all := map[string]bool{}
	for _, pattern := range []string{"/sys/fs/cgroup/*/*", "/sys/fs/cgroup/*"} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			if info, err := os.Stat(f); err == nil && info.IsDir() {
				all[f] = true
			}
		}
	}
	return all
}

func (n *machine) try(name string, args ...string) (string, error) {
	c := exec.Command("nsenter", append([]string{"-t", n.pid, "-m", "-p", "-u", "-i", "-n", "-r", "-w", name}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	out, err := c.CombinedOutput()
	return string(out), err
}

func (n *machine) run(name string, args ...string) string {
	n.t.Helper()
	out, err := n.try(name, args...)
	if err != nil {
		status, _ := n.try("journalctl", "--no-pager", "-n", "20", "-u", "pachd")
		n.t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, out, status)
	}
	return out
}

func (n *machine) eventually(name string, args ...string) {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := n.try(name, args...)
		if err == nil || strings.HasPrefix(out, "degraded") { // units of this machine may fail there
			return
		}
		if time.Now().After(deadline) {
			n.run(name, args...)
		}
	}
}

func (n *machine) write(path, text string) {
	n.t.Helper()
	if err := os.MkdirAll(filepath.Dir(n.root+path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(n.root+path, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *machine) want(what, got, want string) {
	n.t.Helper()
	if !strings.Contains(got, want) {
		n.t.Errorf("%s: %q is not in %s", what, want, got)
	}
}

const ready = "http://localhost:30658/readyz"

// The package is installed, run by systemd, upgraded, removed and purged.
func TestMachine_LifeOfThePackage(t *testing.T) {
	t.Chdir("../..")
	r, p := newRelease(t)
	r.documents = tree{}
	if err := makePackages(t.Context(), r, []platform{p}); err != nil {
		t.Fatal(err)
	}
	newer := *r
	newer.version = "2.13.5"
	if err := makePackages(t.Context(), &newer, []platform{p}); err != nil {
		t.Fatal(err)
	}
	n := startMachine(t)
	for version := range map[string]bool{r.version: true, newer.version: true} {
		data, err := os.ReadFile(filepath.Join(r.dir, "pachyderm_"+debianVersion(version)+"_"+debianArch[runtime.GOARCH]+".deb"))
		if err != nil {
			t.Fatal(err)
		}
		n.write("/tmp/"+version+".deb", string(data))
	}

	n.want("installing", n.run("dpkg", "--install", "/tmp/"+r.version+".deb"), "systemctl enable --now pachd")
	n.want("the user", n.run("getent", "passwd", "pachd"), "/var/lib/pachd:/usr/sbin/nologin")
	n.want("the folder", n.run("stat", "-c", "%U:%G %a", "/etc/pachyderm"), "root:pachd 750")
	if out, err := n.try("systemctl", "is-active", "pachd"); err == nil {
		t.Errorf("it runs before anybody has configured it: %s", out)
	}

	// A key of the operator comes as a credential, which systemd shows pachd alone.
	n.write("/etc/pachyderm/sealing-key", strings.Repeat("A", 43)+"=\n")
	n.run("chmod", "600", "/etc/pachyderm/sealing-key")
	n.write("/etc/systemd/system/pachd.service.d/secrets.conf", "[Service]\nLoadCredential=sealing-key:/etc/pachyderm/sealing-key\n")
	n.write("/etc/pachyderm/pachd.yaml", "sealing: {keyFile: /run/credentials/pachd.service/sealing-key}\n")
	n.run("systemctl", "daemon-reload")
	n.run("systemctl", "enable", "--now", "pachd")
	n.eventually("curl", "-sf", ready)
	main := strings.TrimSpace(n.run("systemctl", "show", "-P", "MainPID", "pachd"))
	status := n.run("cat", "/proc/"+main+"/status")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"} {
		n.want("the process", status, want)
	}
	n.want("its user", n.run("stat", "-c", "%U", "/proc/"+main), "pachd")
	n.want("its data", n.run("stat", "-c", "%U %a", "/var/lib/pachd", "/var/lib/pachd/root-token"), "pachd 700\npachd 600")
	if out, err := n.try("test", "-e", "/var/lib/pachd/sealing-key"); err == nil {
		t.Errorf("it made a key in place of the operator's: %s", out)
	}
	token := n.run("cat", "/var/lib/pachd/root-token")

	n.run("kill", "-9", main)
	n.eventually("bash", "-c", "test $(systemctl show -P MainPID pachd) != "+main+" && curl -sf "+ready)

	main = strings.TrimSpace(n.run("systemctl", "show", "-P", "MainPID", "pachd"))
	n.run("dpkg", "--install", "/tmp/"+newer.version+".deb")
	n.eventually("bash", "-c", "test $(systemctl show -P MainPID pachd) != "+main+" && curl -sf "+ready)
	n.want("what the operator wrote, after an upgrade", n.run("cat", "/etc/pachyderm/pachd.yaml"), "keyFile")
	if got := n.run("cat", "/var/lib/pachd/root-token"); got != token {
		t.Error("the data is another")
	}

	n.run("dpkg", "--remove", "pachyderm")
	if out, err := n.try("curl", "-sf", ready); err == nil {
		t.Errorf("it runs when it is removed: %s", out)
	}
	n.run("test", "-e", "/etc/pachyderm/pachd.yaml")
	n.want("purging", n.run("dpkg", "--purge", "pachyderm"), "/var/lib/pachd")
	if out, err := n.try("test", "-e", "/etc/pachyderm/pachd.yaml"); err == nil {
		t.Errorf("its configuration outlives it: %s", out)
	}
	n.run("test", "-e", "/var/lib/pachd/root-token")
}
