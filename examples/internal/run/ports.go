// Where an example listens.

package run

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
)

// ports are addresses, host and port.
type ports struct{ page, public, admin, redis, second, secondAdmin string }

// defaultPorts are those that the files of all examples name.
var defaultPorts = ports{"127.0.0.1:8000", "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:6390", "127.0.0.1:8090", "127.0.0.1:8091"}

// choosePorts returns the addresses for -port, and the page's listener.
func choosePorts(first int) (ports, net.Listener, error) {
	if first < 0 {
		listener, err := net.Listen("tcp", defaultPorts.page)
		return defaultPorts, listener, err
	}
	for tries := 0; ; tries++ {
		base := first
		if first == 0 {
			// Below those that the kernel gives to outgoing connections, and above those of the
			// Go tests. Who has the first has all of them.
			base = 20000 + 6*rand.IntN(1600)
		}
		listener, err := net.Listen("tcp", address(base))
		if err == nil {
			return ports{address(base), address(base + 1), address(base + 2), address(base + 3), address(base + 4), address(base + 5)}, listener, nil
		}
		if first > 0 || tries == 100 {
			return ports{}, nil, err
		}
	}
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// move returns a file of an example with the addresses of defaultPorts changed to these.
func (p ports) move(text string) string {
	d := defaultPorts
	return strings.NewReplacer(d.page, p.page, d.public, p.public, d.admin, p.admin, d.redis, p.redis, d.second, p.second).Replace(text)
}
