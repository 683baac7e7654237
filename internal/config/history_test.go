package config

import (
	"strings"
	"testing"
	"time"

	"barrage/internal/broker"
)

// TestHistoryRules reads each part of the setting, and names the one that is wrong.
func TestHistoryRules(t *testing.T) {
	for item, want := range map[string]broker.Retention{
		"*=100/10m":       {Messages: 100, Age: 10 * time.Minute},
		"*=100/10m/4MiB":  {Messages: 100, Age: 10 * time.Minute, Bytes: 4 << 20},
		"*=1/12h/4096":    {Messages: 1, Age: 12 * time.Hour, Bytes: 4096},
		"*=1/12h/1GiB":    {Messages: 1, Age: 12 * time.Hour, Bytes: 1 << 30},
		"*=0/0":           {},
		"*=100/10m/":      {Messages: -1},
		"*=100/10m/0":     {Messages: -1},
		"*=100/10m/4KB":   {Messages: -1},
		"*=100/10m/2GiB":  {Messages: -1},
		"*=100/10m/-4MiB": {Messages: -1},
		"*=100/10m/1MiB/": {Messages: -1},
		"*=100/10m/many":  {Messages: -1},
	} {
		c := Config{History: []string{item}}
		rules, err := c.HistoryRules()
		switch {
		case want.Messages < 0:
			if err == nil || !strings.Contains(err.Error(), "bytes must be 4KiB to 1GiB") {
				t.Errorf("%s: %v, want an error that names the bytes", item, err)
			}
		case err != nil || len(rules) != 1 || rules[0].Retention != want:
			t.Errorf("%s: %+v, %v; want %+v", item, rules, err, want)
		}
	}
	for item, want := range map[string]string{
		"*=1": "age are missing", "*=1/": "age are missing", "*=/1m": "age are missing", "*=": "age are missing", "*": "is not pattern=",
		"*=x/1m": "messages must be", "*=1/soon": "age must be",
	} {
		if _, err := (&Config{History: []string{item}}).HistoryRules(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", item, err, want)
		}
	}
}
