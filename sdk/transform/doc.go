// Package transform is what authors import to write a transform: a WebAssembly module that changes messages on the way
// to a vendor, or refuses them.
//
// A transform is an ordinary Go program whose main does nothing, and which registers one function:
//
//	func init() { transform.Register(shout) }
//
//	func main() {}
//
//	func shout(m *transform.Message) error {
//		m.SetText(strings.ToUpper(m.Text()))
//		return nil
//	}
//
// The ordinary Go toolchain builds it; the name of the file is the name that rules use:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o shout.wasm .
//
// The message stays with the engine. Each getter and setter is one call to it of well under a microsecond, and only what the
// function asks for crosses over; [Message.JSON], which moves and parses everything, costs a hundred times as much.
//
// A guest has no network, no files, no environment of the host, no real clock and no real randomness: its clock starts at the same time in every
// instance and advances a millisecond with each reading, its random numbers repeat. Its memory is capped and each call has a deadline.
// Instances are kept and used again for other messages, several at once, and thrown away after a failure: keep nothing in
// globals but what is the same for every message.
//
// Built for any other system the package runs the same function on ordinary messages, which is how tests use it: see [Apply]
// and the package transformtest. ABI.md describes the ABI for authors in other languages.
package transform
