//go:build cluster

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	kubelet = "../../.tools/kubelet-1.34.10"
	helm    = "../../.tools/helm-3.22.0"
	bridge  = "pachpod0"
	pause   = "registry.local/pause:v1"
)

type m = map[string]any

// node is containerd with a kubelet that asks no API server: it runs the pods whose
// manifests lie in a folder.
type node struct {
	t         *testing.T
	dir       string
	readOnly  string
	manifests string
}

func startNode(t *testing.T, images ...string) *node {
	t.Helper()
	// Sockets have short paths, and mounts are undone before the folder goes.
	dir, err := os.MkdirTemp("", "node") //nolint:usetesting // as the comment says
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, dir: dir, manifests: filepath.Join(dir, "manifests"), readOnly: freePort(t)}
	for _, sub := range []string{"manifests", "cni", "ctr"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { n.clean() })
	n.write("cni/10.conflist", `{"cniVersion":"0.4.0","name":"pods","plugins":[{"type":"bridge","bridge":"`+bridge+`","isGateway":true,"ipMasq":false,
		"ipam":{"type":"host-local","dataDir":"`+dir+`/ipam","ranges":[[{"subnet":"10.244.7.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}`)
	n.write("ctr.toml", fmt.Sprintf(`version = 2
root = "%[1]s/ctr/root"
state = "%[1]s/ctr/state"
[grpc]
  address = "%[1]s/ctr/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[2]q
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%[1]s/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`, dir, pause))
	n.write("kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: %[1]s/manifests
podLogsDir: %[1]s/pod-logs
containerRuntimeEndpoint: unix://%[1]s/ctr/c.sock
cgroupDriver: cgroupfs
cgroupRoot: /
failSwapOn: false
failCgroupV1: false
address: 127.0.0.1
port: %[2]s
readOnlyPort: %[3]s
healthzPort: 0
podCIDR: 10.244.7.0/24
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
registerNode: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "50Mi"}
`, dir, freePort(t), n.readOnly))
	n.start("containerd", "containerd", "-c", filepath.Join(dir, "ctr.toml"))
	n.eventually("containerd answers", func() string { _, err := n.ctr("version"); return errText(err) })
	for _, image := range images {
		if out, err := n.ctr("images", "import", image); err != nil {
			t.Fatalf("containerd does not take the image: %v %s", err, out)
		}
	}
	n.start("kubelet", kubelet, "--config", filepath.Join(dir, "kubelet.yaml"), "--root-dir", filepath.Join(dir, "kubelet"),
		"--cert-dir", filepath.Join(dir, "pki"), "--hostname-override", "node1")
	return n
}

func errText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (n *node) write(name, text string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) start(log, name string, args ...string) {
	n.t.Helper()
	out, err := os.Create(filepath.Join(n.dir, log+".log"))
	if err != nil {
		n.t.Fatal(err)
	}
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		n.t.Fatalf("%v: make cluster installs what is needed", err)
	}
	n.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		_ = out.Close()
		if n.t.Failed() {
			text, _ := os.ReadFile(out.Name())
			n.t.Logf("%s: %s", log, text[max(0, len(text)-3000):])
		}
	})
	if log == "kubelet" {
		n.t.Cleanup(func() { n.removePods() }) // while both still run
	}
}

func (n *node) ctr(args ...string) (string, error) {
	out, err := exec.Command("ctr", append([]string{"-a", filepath.Join(n.dir, "ctr/c.sock"), "-n", "k8s.io"}, args...)...).CombinedOutput()
	return string(out), err
}

func (n *node) eventually(what string, missing func() string) {
	n.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("not so within two minutes: %s: %s", what, why)
		}
	}
}

// pods are as the kubelet sees them.
func (n *node) pods() (pods []m) {
	res, err := http.Get("http://127.0.0.1:" + n.readOnly + "/pods")
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	var list struct{ Items []m }
	_ = json.NewDecoder(res.Body).Decode(&list) // an empty list is asked for again
	return list.Items
}

func (n *node) removePods() {
	files, _ := filepath.Glob(filepath.Join(n.manifests, "*"))
	for _, f := range files {
		_ = os.Remove(f)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if out, err := n.ctr("tasks", "ls", "-q"); err == nil && strings.TrimSpace(out) == "" {
			return
		}
	}
	out, _ := n.ctr("tasks", "ls", "-q")
	for _, task := range strings.Fields(out) {
		_, _ = n.ctr("tasks", "delete", "-f", task)
	}
}

// clean undoes what the kubelet and containerd leave.
func (n *node) clean() {
	mounts, _ := os.ReadFile("/proc/mounts")
	lines := strings.Split(string(mounts), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], n.dir+"/") {
			_ = syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
	_ = exec.Command("ip", "link", "del", bridge).Run()
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	for _, g := range append(groups, "/sys/fs/cgroup/kubepods") {
		_ = exec.Command("find", g, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
	}
	links, _ := filepath.Glob("/var/log/containers/*") // where agents look for logs
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, n.dir+"/") {
			_ = os.Remove(link)
		}
	}
	_ = os.RemoveAll(n.dir)
}

func dig(v any, path ...any) any {
	for _, key := range path {
		switch key := key.(type) {
		case string:
			in, _ := v.(m)
			v = in[key]
		case int:
			in, _ := v.([]any)
			if key >= len(in) {
				return nil
			}
			v = in[key]
		}
	}
	return v
}

// withoutKubernetes has pachd keep its root token in the data directory, and not in a
// Secret: there is no API server.
func withoutKubernetes(t *testing.T, text string) string {
	t.Helper()
	var c m
	err := yaml.Unmarshal([]byte(text), &c)
	if err != nil {
		t.Fatal(err)
	}
	delete(c, "kubernetes")
	changed, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

// podOf is the pod of the chart, as a static one: those have no Secrets and claims
// of an API server, so the same files come from the node.
func podOf(t *testing.T, version, data, config string) (pod m, configuration string) {
	t.Helper()
	c := exec.Command(helm, "template", "pachyderm", "../helm/pachyderm", "--set", "pachd.image.tag="+version)
	text, err := c.Output()
	if err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	for d := yaml.NewDecoder(strings.NewReader(string(text))); ; {
		var object m
		if err := d.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch object["kind"] {
		case "Deployment":
			pod, _ = dig(object, "spec", "template").(m)
		case "Secret":
			if text, ok := dig(object, "stringData", "pachd.yaml").(string); ok {
				configuration = withoutKubernetes(t, text)
			}
		}
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(m)["name"] = "pachd"
	spec, _ := pod["spec"].(m)
	delete(spec, "serviceAccountName")
	delete(spec, "automountServiceAccountToken")
	hostPaths := map[string]string{"data": data, "config": config}
	for _, v := range spec["volumes"].([]any) {
		volume, _ := v.(m)
		if from, ok := hostPaths[fmt.Sprint(volume["name"])]; ok {
			delete(volume, "secret")
			delete(volume, "persistentVolumeClaim")
			volume["hostPath"] = m{"path": from}
		}
	}
	return pod, configuration
}

// The image runs as the chart has it run, with nothing that it does not need: under a
// real kubelet, which restarts it when it dies, with its data.
func TestPod_OfTheImage(t *testing.T) {
	t.Chdir("../..")
	r, p := newRelease(t)
	if err := makeImage(t.Context(), r, []platform{p}); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(r.dir, "pachd_"+r.version+"_image.tar")
	pauseImage := makePause(t, r)
	t.Chdir("deploy/release")

	n := startNode(t, image, pauseImage)
	data, config := filepath.Join(n.dir, "data"), filepath.Join(n.dir, "config")
	for dir, gid := range map[string]int{data: user, config: 0} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, gid, gid); err != nil {
			t.Fatal(err)
		}
	}
	pod, configuration := podOf(t, r.version, data, config)
	file := filepath.Join(config, "pachd.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o440); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 0, user); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	n.write("manifests/pachd.json", string(text))

	n.ready(0)
	pid := n.pid("/usr/bin/pachd")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("the process has not %q:\n%s", want, status)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil || !regexp.MustCompile(`(?m)^\d+ \d+ \S+ / / ro,`).Match(mounts) {
		t.Errorf("the root file system can be written: %v\n%s", err, mounts)
	}

	ctl := n.pachctl(p.files["pachctl"], filepath.Join(data, "root-token"))
	ctl("auth", "set", "cluster", "repoReader", "robot:kept")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.ready(1)
	n.ended(137)
	if got := ctl("auth", "get", "cluster"); !strings.Contains(got, "robot:kept") {
		t.Errorf("after a crash the roles are %s", got)
	}
	if err := syscall.Kill(n.pid("/usr/bin/pachd"), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.ready(2)
	n.ended(0)

	if err := os.Remove(filepath.Join(n.manifests, "pachd.json")); err != nil {
		t.Fatal(err)
	}
	n.eventually("the pod is gone", func() string {
		if pods := n.pods(); len(pods) > 0 {
			return fmt.Sprint(dig(pods[0], "status", "phase"))
		}
		return ""
	})
}

func (n *node) container() m {
	pods := n.pods()
	if len(pods) == 0 {
		return nil
	}
	c, _ := dig(pods[0], "status", "containerStatuses", 0).(m)
	return c
}

// ready waits for the pod's probes, after so many restarts.
func (n *node) ready(restarts int) {
	n.t.Helper()
	n.eventually("the pod is ready", func() string {
		if c := n.container(); c["ready"] != true || fmt.Sprint(c["restartCount"]) != strconv.Itoa(restarts) {
			return fmt.Sprint(c, n.pods())
		}
		return ""
	})
}

func (n *node) ended(code int) {
	n.t.Helper()
	if got := dig(n.container(), "lastState", "terminated", "exitCode"); fmt.Sprint(got) != strconv.Itoa(code) {
		n.t.Errorf("it ended with code %v, want %d", got, code)
	}
}

// pid is the process of the pod with this program.
func (n *node) pid(program string) int {
	n.t.Helper()
	out, err := n.ctr("tasks", "ls")
	if err != nil {
		n.t.Fatalf("%v %s", err, out)
	}
	for _, match := range regexp.MustCompile(`(?m)^\w+\s+(\d+)\s+RUNNING`).FindAllStringSubmatch(out, -1) {
		if exe, err := os.Readlink("/proc/" + match[1] + "/exe"); err == nil && exe == program {
			pid, _ := strconv.Atoi(match[1])
			return pid
		}
	}
	n.t.Fatalf("nothing runs %s:\n%s", program, out)
	return 0
}

// pachctl is one that is signed in with the root token.
func (n *node) pachctl(program, token string) func(args ...string) string {
	address := fmt.Sprint(dig(n.pods()[0], "status", "podIP")) + ":1650"
	run := func(stdin string, args ...string) string {
		n.t.Helper()
		c := exec.Command(program, args...)
		c.Env = []string{"HOME=" + n.dir, "PATH=" + os.Getenv("PATH")}
		c.Stdin = strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		if err != nil {
			n.t.Fatalf("pachctl %v: %v %s", args, err, out)
		}
		return string(out)
	}
	run("", "connect", "grpc://"+address)
	text, err := os.ReadFile(token)
	if err != nil {
		n.t.Fatal(err)
	}
	run(string(text), "auth", "use-auth-token")
	return func(args ...string) string { n.t.Helper(); return run("", args...) }
}

// makePause makes the image that holds a pod's namespaces, by the same code.
func makePause(t *testing.T, r *release) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pause")
	if _, err := output(t.Context(), []string{"CGO_ENABLED=0"}, "go", "build", "-o", binary, "./deploy/release/testdata/pause"); err != nil {
		t.Fatal(err)
	}
	own := *r
	own.dir = t.TempDir()
	l := layout{tree{}}
	files := tree{}
	if err := files.program("pause", binary); err != nil {
		t.Fatal(err)
	}
	image, err := l.image(&own, platform{os: "linux", arch: runtime.GOARCH}, files, "/pause")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.top(&own, pause, []descriptor{image}, nil); err != nil {
		t.Fatal(err)
	}
	data, err := l.tarball("", r.time)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(own.dir, "pause.tar")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
