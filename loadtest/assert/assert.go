// Package assert decides conditions on the figures of a load test, such as
//
//	missing==0 && p99<500ms && rss_per_conn<400
//
// Names stand for figures, in milliseconds and bytes where they have a unit;
// numbers may carry one (ns us ms s m h, % as a hundredth, k M, kB MB GB, KiB MiB
// GiB). There are && || ! < <= > >= == != + - * / and parentheses, as in Go. A
// condition on a figure that is not known does not hold, nor does one on 0/0.
package assert

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxText bounds a condition: go/parser recurses.
const maxText = 1000

// Expr is a condition. It never changes, so any goroutine may use it.
type Expr struct {
	text  string
	tree  ast.Expr
	names []string // of figures, sorted
}

// Result is how a condition turned out.
type Result struct {
	OK    bool
	Found string // the figures in it, with their values
}

// String returns the condition as it was written.
func (e *Expr) String() string { return e.text }

var (
	units = map[string]float64{
		"": 1, "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3, "m": 60e3, "h": 3600e3, "%": 0.01,
		"k": 1e3, "M": 1e6, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}
	word   = regexp.MustCompile(`[\w.µ%]+`) // a name, or a number with all that is written to it
	number = regexp.MustCompile(`^[0-9.]+`)
)

// Parse reads a condition on figures with the given names.
func Parse(text string, names []string) (*Expr, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("assert: a condition of %d characters; the limit is %d", len(text), maxText)
	}
	var unit error
	plain := word.ReplaceAllStringFunc(text, func(q string) string {
		n := number.FindString(q)
		if n == "" {
			return q
		}
		factor, known := units[q[len(n):]]
		v, err := strconv.ParseFloat(n, 64)
		if !known || err != nil {
			unit = fmt.Errorf("assert: %q is not a number with a unit of%s", q, strings.Join(slices.Sorted(maps.Keys(units)), " "))
			return q
		}
		return strconv.FormatFloat(v*factor, 'f', -1, 64)
	})
	if unit != nil {
		return nil, unit
	}
	tree, err := parser.ParseExpr(plain)
	if err != nil {
		return nil, fmt.Errorf("assert: %q is not a condition such as p99<500ms", text)
	}
	e := &Expr{text: strings.TrimSpace(text), tree: tree}
	ast.Inspect(tree, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			e.names = append(e.names, id.Name)
		}
		return true
	})
	slices.Sort(e.names)
	e.names = slices.Compact(e.names)
	ones := make(map[string]float64) // whether it has a meaning does not depend on the figures
	for _, name := range names {
		ones[name] = 1
	}
	_, isBool, err := eval(tree, ones)
	if err == nil && !isBool {
		err = fmt.Errorf("assert: %q is a number, not a condition such as p99<500ms", text)
	}
	return e, err
}

// ParseSLO reads conditions of the form p99=500ms,missing=0, which say what a
// figure may be at most; other comparisons are taken as they are.
func ParseSLO(text string, names []string) (all []*Expr, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, bound, plain := strings.Cut(part, "=")
		if plain && !strings.ContainsAny(part, "<>!") && !strings.HasPrefix(bound, "=") {
			part = strings.TrimSpace(name) + "<=" + strings.TrimSpace(bound)
		}
		e, err := Parse(part, names)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Eval decides the condition.
func (e *Expr) Eval(values map[string]float64) Result {
	found, known := make([]string, len(e.names)), true
	for i, name := range e.names {
		v, ok := values[name]
		if !ok {
			found[i], known = name+" is not known", false
			continue
		}
		found[i] = name + " " + strconv.FormatFloat(v, 'f', -1, 64)
		if v != float64(int64(v)) {
			found[i] = name + " " + strconv.FormatFloat(v, 'f', 3, 64)
		}
	}
	v, _, _ := eval(e.tree, values) // Parse has seen to it that it has a meaning
	return Result{OK: known && v == 1, Found: strings.Join(found, ", ")}
}

// operators are what may stand between two numbers, or two conditions; those that
// hold are 1, the others 0.
var operators = map[token.Token]struct {
	logical bool // takes conditions
	isBool  bool // makes one
	of      func(a, b float64) float64
}{
	token.LAND: {true, true, func(a, b float64) float64 { return a * b }},
	token.LOR:  {true, true, func(a, b float64) float64 { return max(a, b) }},
	token.LSS:  {false, true, func(a, b float64) float64 { return is(a < b) }},
	token.LEQ:  {false, true, func(a, b float64) float64 { return is(a <= b) }},
	token.GTR:  {false, true, func(a, b float64) float64 { return is(a > b) }},
	token.GEQ:  {false, true, func(a, b float64) float64 { return is(a >= b) }},
	token.EQL:  {false, true, func(a, b float64) float64 { return is(a == b) }},
	token.NEQ:  {false, true, func(a, b float64) float64 { return is(a != b) }},
	token.ADD:  {false, false, func(a, b float64) float64 { return a + b }},
	token.SUB:  {false, false, func(a, b float64) float64 { return a - b }},
	token.MUL:  {false, false, func(a, b float64) float64 { return a * b }},
	token.QUO:  {false, false, func(a, b float64) float64 { return a / b }},
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// eval gives a number's value, or 1 for a condition that holds; NaN if it has a part
// that is no number, so that not even its opposite holds.
func eval(x ast.Expr, values map[string]float64) (v float64, isBool bool, err error) {
	switch x := x.(type) {
	case *ast.ParenExpr:
		return eval(x.X, values)
	case *ast.BasicLit:
		if v, err = strconv.ParseFloat(x.Value, 64); err != nil {
			err = fmt.Errorf("assert: %s is no number", x.Value)
		}
		return v, false, err
	case *ast.Ident:
		v, ok := values[x.Name]
		if !ok {
			return 0, false, unknown(x.Name, values)
		}
		return v, false, nil
	case *ast.UnaryExpr:
		v, isBool, err = eval(x.X, values)
		switch {
		case err != nil:
		case x.Op == token.NOT && isBool:
			v = 1 - v
		case x.Op == token.SUB && !isBool:
			v = -v
		default:
			err = fmt.Errorf("assert: %s has no meaning there", x.Op)
		}
		return v, isBool, err
	case *ast.BinaryExpr:
		return binary(x, values)
	}
	return 0, false, errors.New("assert: only figures, numbers, comparisons and && || ! ( ) have a meaning")
}

func binary(x *ast.BinaryExpr, values map[string]float64) (v float64, isBool bool, err error) {
	a, left, err := eval(x.X, values)
	if err != nil {
		return 0, false, err
	}
	b, right, err := eval(x.Y, values)
	if err != nil {
		return 0, false, err
	}
	op, known := operators[x.Op]
	switch {
	case !known:
		return 0, false, fmt.Errorf("assert: %s has no meaning here", x.Op)
	case left != op.logical || right != op.logical:
		return 0, false, fmt.Errorf("assert: %s does not go between those", x.Op)
	case math.IsNaN(a) || math.IsNaN(b):
		return math.NaN(), op.isBool, nil
	}
	return op.of(a, b), op.isBool, nil
}

func unknown(name string, values map[string]float64) error {
	names := slices.Sorted(maps.Keys(values))
	var near []string
	for _, n := range names {
		if strings.Contains(n, name) || strings.Contains(name, n) || n[0] == name[0] {
			near = append(near, n)
		}
	}
	if len(near) == 0 {
		near = names
	}
	return fmt.Errorf("assert: there is no figure %q; there is %s", name, strings.Join(near, " "))
}
