package control

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/fault"
)

func TestExplain(t *testing.T) {
	config := fmt.Errorf("engine: %w", errors.Join(
		&core.ConfigError{Code: "config_data", Field: "Data", Text: "no", Advice: "yes"}, &core.ConfigError{Code: "config_accounts"}))
	for _, tt := range []struct {
		err    error
		codes  string
		status int
	}{
		{config, "[config_data config_accounts]", http.StatusBadRequest},
		{fmt.Errorf("x: %w", &core.UnknownMessageError{ID: "m"}), "[message_unknown]", http.StatusNotFound},
		{fmt.Errorf("x: %w", core.ErrStopped), "[engine_stopping]", http.StatusServiceUnavailable},
		{fmt.Errorf("x: %w", &core.JournalError{Code: "journal_locked", Text: "taken"}), "[journal_locked]", http.StatusServiceUnavailable},
		{fault.New(fault.Misconfigured, "account_unknown", "no"), "[account_unknown]", http.StatusNotFound},
		{errors.New("odd"), "[failed]", http.StatusInternalServerError},
	} {
		var codes []string
		all := problem.All(Explain(tt.err))
		for _, p := range all {
			codes = append(codes, p.Code)
		}
		if fmt.Sprint(codes) != tt.codes || statusOf(all[0]) != tt.status {
			t.Errorf("%v: codes %v, status %d", tt.err, codes, statusOf(all[0]))
		}
	}
	if Explain(nil) != nil {
		t.Error("nil must stay nil")
	}
}
