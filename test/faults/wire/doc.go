// Package wire stands between the clients of an etcd member and the member, and
// does to their requests what a network can do: it holds them until they land
// late, loses them, loses the answers, breaks connections, or falls silent. It
// knows which of the watchdog's writes a request is, and which process sent
// it.
//
// It is not a member of anything and answers nothing itself, but for a refusal
// that a rule asks for: frames of HTTP/2 pass as they are, headers are decoded
// and encoded anew, and each client's connection has one of its own to the
// member, so that a member that ends, hangs or is not there looks to the client
// as it would without a proxy. What is not HTTP/2, such as a read of /metrics,
// passes untouched. No TLS.
//
// What it keeps to:
//
//  1. A call that was held lands, whether its client still waits, has given up
//     or has ended; only Close, and the end of its connection to the member,
//     lose it.
//  2. A call that a rule drops or refuses never reaches the member.
//  3. An answer that a rule loses is lost after the member has given it.
//  4. Frames of one direction of one stream never overtake each other; those
//     of a stream that is held up hold up no other stream.
//  5. When Close returns, every connection and goroutine of the proxy has ended.
package wire
