// Package netns makes hosts of which each has a network of its own, as a
// network namespace of Linux, and one router between them, on which what one
// host sends to another can be lost. Members and watchdogs run on them as they
// would on hosts of their own; nobody else reaches their addresses, 10.98.I.2,
// and nothing there reaches anything else.
//
// It separates networks alone: the hosts share files, processes and clocks. It
// needs root, the command ip, and a kernel that knows veth and rules of routing;
// without, ErrUnavailable says what is missing.
//
// What it keeps to:
//
//  1. The namespaces have no name. They last as long as this process, or one
//     that was started on a host of them, and the kernel takes away everything
//     in them; a crash leaves nothing behind.
//  2. A cut is silent: packets are lost, as in a network, and nobody is told.
//  3. What is cut stays cut for connections that exist and for new ones, until
//     Heal.
//
// Linux only.
package netns
