// Attacks on plain TCP: the door that has no request, which whoever comes is let in by.

package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
)

// plain is a connection of attacker i without WebSocket.
func (f *Field) plain(ctx context.Context, i int) (net.Conn, error) {
	return dial(ctx, &f.Meter, attacker(i), f.Plain)
}

var halfLines = Attack{
	Name: "half-lines", Who: "anyone", About: "lines of 64 KiB without their end, by plain TCP",
	Sizes: []int{1, 5000}, Short: 50, Plain: true, Memory: 2 * 64, Check: unfinishedIsBounded, Time: 20 * time.Second,
	Run: func(ctx context.Context, f *Field) {
		line := append([]byte(`{"id":1,"cmd":"publish","room":"half","data":"`), bytes.Repeat([]byte("x"), 60<<10)...)
		f.half(ctx, line, f.plain)
	},
}

// longLine is much more than a message may have.
const longLine = 1 << 20

var longLines = Attack{
	Name: "long-lines", Who: "anyone", About: "lines of a megabyte, by plain TCP",
	Sizes: []int{1, 1000}, Short: 20, Plain: true, Memory: 2 * 64,
	Run: func(ctx context.Context, f *Field) {
		line := append([]byte(`{"id":1,"cmd":"ping","x":"`), bytes.Repeat([]byte("x"), longLine)...)
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			pause(ctx, time.Duration(i)*comeEvery)
			defer pause(ctx, time.Second)
			c, err := f.plain(ctx, i)
			if err != nil {
				return err
			}
			defer c.Close()
			go func() { // ends with the connection
				_, _ = c.Write(line) // it is told why it may not
			}()
			return f.farewell(c)
		})
	},
	Check: func(f *Facts) (wrong []string) {
		if wrong = unfinishedIsBounded(f); f.Out.Told["1009 message too big"] == 0 {
			wrong = append(wrong, fmt.Sprintf("nobody was told that a line was too long, but %v", f.Out.Told))
		}
		return wrong
	},
}

// farewell reads what comes to the end, and notes why that is.
func (f *Field) farewell(c net.Conn) error {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var bye struct {
			Push, Reason string
			Code         int
		}
		if json.Unmarshal(line, &bye) == nil && bye.Push == "bye" {
			f.note(fmt.Sprint(bye.Code, " ", bye.Reason))
		}
	}
}

var silentLines = Attack{
	Name: "silent-lines", Who: "anyone", About: "connections by plain TCP that say nothing, not even to a ping, and are back at once when they are found out",
	Sizes: []int{5000}, Short: 50, Plain: true, Memory: 64, Flags: []string{"--ping-interval=1s", "--ping-timeout=1s"}, Time: 2 * deadAfter,
	Run: func(ctx context.Context, f *Field) {
		f.each(ctx, f.Size, func(ctx context.Context, i int) error {
			pause(ctx, time.Duration(i)*comeEvery/5)
			c, err := f.plain(ctx, i)
			if err != nil {
				return err
			}
			defer c.Close()
			return f.farewell(c)
		})
	},
	Check: theDeadAreFound,
}
