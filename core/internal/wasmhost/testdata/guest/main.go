// Command guest is a transform for tests: the data value "do" says what it does.
package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/transform"
)

func init() { transform.Register(do) }

func main() {}

var (
	sink int
	keep [][]byte
)

func do(m *transform.Message) error {
	switch what, _ := m.Data("do"); what {
	case "upper":
		m.SetText(strings.ToUpper(m.Text()))
	case "write":
		write(m)
	case "loop":
		for {
			sink++
		}
	case "grow":
		for {
			keep = append(keep, make([]byte, 8<<20))
		}
	case "panic":
		m.SetText("half done")
		panic("a defect")
	case "exit":
		m.SetText("half done")
		os.Exit(3)
	case "stack":
		sink = deep(0)
	case "reject":
		m.SetText("half done")
		return transform.Reject(transform.ContentRejected, "blocked_word", "a word is not allowed, say to +447700900123")
	case "pause":
		return transform.Reject("unauthorized", "Not A Code", "no")
	case "error":
		return os.ErrNotExist
	case "readonly":
		m.Set("to.phone", "+447700900999")
	case "invalid":
		m.SetText(strings.Repeat("x", 1<<20))
	case "json":
		m.SetJSON("", []byte(strings.Replace(string(m.JSON()), "Hello", "Goodbye", 1)))
	case "long":
		m.SetData("long", strings.Repeat("y", 20_000))
		s, _ := m.Data("long")
		m.SetData("long", s[len(s)-3:])
	case "wait":
		m.Log(transform.Debug, "waiting")
		for {
			sink++
		}
	case "world":
		_, err := os.ReadFile("/etc/passwd")
		m.SetText(time.Now().String() + strings.Join(os.Environ(), " ") + strconv.Itoa(rand.Int()) + err.Error())
	case "log":
		for range 100 {
			m.Log(transform.Warn, "for +447700900123")
		}
		println("printed")
	}
	return nil
}

func write(m *transform.Message) {
	m.SetCategory("c2")
	m.SetLabel("new", "1")
	m.DeleteLabel("old")
	m.SetData("order", "7")
	m.DeleteData("gone")
	m.SetJSON("data.list", []byte(`[1,"two"]`))
	if m.Template() != "" {
		m.SetTemplate("t2", "de")
		m.SetParam(0, "p0")
		m.SetParam(len(m.Params()), "added")
		m.SetNamed("n", "v")
	}
}

func deep(n int) int {
	if n < 0 {
		return 0
	}
	var pad [64]int
	pad[n%64] = n
	return deep(n+1) + pad[(n+1)%64]
}
