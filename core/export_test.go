package core

// Reload looks at the rule files now, as the watcher does some time after a change.
func (e *Engine) Reload() error {
	r, err := e.get()
	if err != nil {
		return err
	}
	_, err = r.rules.Reload()
	return err
}
