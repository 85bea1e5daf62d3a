package connectornode

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
)

// TestVerify runs the command that the README names, which leaves no check out.
func TestVerify(t *testing.T) {
	dir := workspace(t)
	hermod := filepath.Join(t.TempDir(), "hermod")
	if out, err := try(t, ".", nil, "go", "build", "-o", hermod, "../../cmd/hermod"); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := try(t, dir, []string{"HERMOD_PROTO=" + proto(t), "HERMOD=" + hermod}, "npm", "run", "verify")
	if err != nil {
		t.Fatalf("npm run verify: %v\n%s", err, out)
	}
	checks := conformance.Plan(connector.Description{
		Capabilities: connector.Capabilities{Send: true, Receive: true}, Operations: make([]connector.OperationInfo, 1),
	}, conformance.Target{Program: "dist/hermod-pigeon", Version: 1})
	if want := fmt.Sprintf("\npassed %d, wrong 0, left in whole or in part 0\n", len(checks)); !strings.HasSuffix(out, want) {
		t.Errorf("want %q at the end of:\n%s", want, out)
	}
}

// A copy outside of the repository has to be told where the contract is, and the command where it is not on the PATH.
func TestWhatIsMissingIsNamed(t *testing.T) {
	dir := workspace(t)
	program := filepath.Join(dir, "dist", "hermod-pigeon")
	out, err := try(t, dir, []string{"HERMOD_PROTO="}, "node", "build.js")
	if _, there := os.Stat(program); err == nil || there == nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, "let HERMOD_PROTO name the folder proto") {
		t.Errorf("without the contract: %v\n%s", err, out)
	}
	out, err = try(t, dir, []string{"HERMOD=" + filepath.Join(dir, "none")}, "node", "verify.js")
	if err == nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, "HERMOD=path/to/hermod") {
		t.Errorf("without the command: %v\n%s", err, out)
	}
}

// A receipt finds its attempt by the reference that the vendor was given, and by the vendor's id alone where there is none.
func TestReceiptsNameTheDelivery(t *testing.T) {
	const script = `
const { pigeon } = require('./pigeon');
const { receipt, sign, TOKEN, SIGNING_KEY } = require('./simulate');
(async () => {
  const account = await pigeon.open({ base_url: 'http://127.0.0.1:9', token: TOKEN, signing_key: SIGNING_KEY }, { account: 'a' });
  for (const reference of ['m1/2', undefined, 'theirs', 'm1/0', 7]) {
    const body = receipt('e1', 'p1', reference, 'delivered', new Date());
    const header = Object.entries(sign(new Date(), body)).map(([name, value]) => ({ name, values: [value] }));
    const { events } = await account.receive({ method: 'POST', path: '/receipts', header, body: Buffer.from(body) });
    const { vendorId, message, attempt } = events[0].receipt;
    console.log(vendorId, message, attempt);
  }
})();`
	out, err := try(t, workspace(t), nil, "node", "-e", script)
	if want := "p1 m1 2\n" + strings.Repeat("p1 undefined undefined\n", 4); err != nil || out != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out, want)
	}
}
