package connectornode

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/catalog"
	"github.com/hermodhq/hermod/sdk/message"
)

// workspace copies the sources outside of the repository, with their packages beside them, as an author would. The packages come
// from npm, once for each state of package-lock.json; without node and npm the test is skipped.
func workspace(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the connector in JavaScript was NOT tested: Windows does not run a script by its first line")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: the connector in JavaScript was NOT tested: %s is not installed (Node.js 20 or later is needed)", tool)
		}
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cacheDir(t), hex.EncodeToString(sum[:8]))
	sources, err := filepath.Glob("*.js*")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	for _, name := range append(sources, "proto/goplugin.proto", "proto/health.proto") {
		copyFile(t, name, filepath.Join(work, name))
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		install(t, work, dir)
	}
	if err := os.Symlink(filepath.Join(dir, "node_modules"), filepath.Join(work, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return work
}

// build makes the connector program in a workspace and returns its path.
func build(t *testing.T, work string) string {
	t.Helper()
	if out, err := try(t, work, []string{"HERMOD_PROTO=" + proto(t)}, "node", "build.js"); err != nil {
		t.Fatalf("node build.js: %v\n%s", err, out)
	}
	return filepath.Join(work, "dist", "hermod-pigeon")
}

// proto is the contract's folder.
func proto(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../proto")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// simulate runs the vendor's simulator for the length of the test and returns its URL.
func simulate(t *testing.T, work string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "simulate.js", "0")
	cmd.Dir, cmd.Stderr = work, t.Output()
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line[strings.LastIndexByte(line, ' ')+1 : len(line)-1]
}

func cacheDir(t *testing.T) string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = t.TempDir() // nothing is kept then
	}
	return filepath.Join(base, "hermod-connector-node")
}

// install puts the locked packages into dir, whole or not at all.
func install(t *testing.T, work, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), "partial-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	for _, name := range []string{"package.json", "package-lock.json"} {
		copyFile(t, filepath.Join(work, name), filepath.Join(partial, name))
	}
	if out, err := try(t, partial, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		if os.Getenv("CI") == "" && unreachable.MatchString(out) {
			t.Skipf("SKIPPED: the connector in JavaScript was NOT tested: npm cannot be reached\n%s", out)
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(partial, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, "node_modules")); there != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unreachable finds what npm says where there is no network.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH`)

func try(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

const routes = `
routes:
  - name: everything
    fallback:
      - via: pigeon-uk/sms
        until: delivered
        within: 1m
`

// TestDelivered sends a message through the whole engine: the connector is pinned, started with a clean environment, takes the
// message, and brings the receipt from the vendor's webhook.
func TestDelivered(t *testing.T) {
	work := workspace(t)
	program, vendor := build(t, work), simulate(t, work)
	plugins := filepath.Dir(program)
	if err := os.Remove(filepath.Join(plugins, "contract.json")); err != nil { // the program needs nothing beside it
		t.Fatal(err)
	}
	if err := catalog.Pin(plugins); err != nil {
		t.Fatal(err)
	}
	rules := afero.NewMemMapFs()
	if err := afero.WriteFile(rules, "rules/routes.yaml", []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	var hooks http.Handler
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hooks.ServeHTTP(w, r) }))
	t.Cleanup(public.Close)
	engine, err := core.New(core.Config{
		Data: t.TempDir(), Rules: rules, Plugins: plugins, PublicURL: public.URL,
		Accounts: map[message.AccountID]core.Account{"pigeon-uk": {Connector: "pigeon", Config: config(t, vendor)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	hooks = engine.Webhooks()

	id, err := engine.Send(t.Context(), message.Message{To: message.Recipient{Phone: "+447700900142"}, Content: message.Content{Text: "Hello, Ada"}})
	if err != nil {
		t.Fatal(err)
	}
	status, err := engine.Wait(t.Context(), id, message.Delivered)
	if err != nil || status.Outcome != message.Delivered {
		t.Errorf("%+v, %v", status, err)
	}
	out, err := engine.Invoke(t.Context(), "pigeon-uk", "balance.get", nil)
	if err != nil || string(out) != `{"amount":12.5,"currency":"GBP"}` {
		t.Errorf("balance.get gave %s, %v", out, err)
	}
}

func config(t *testing.T, url string) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"base_url": url, "token": "pigeon-token-0001", "signing_key": "pigeon-signing-key-0001"})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
