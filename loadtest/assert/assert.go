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
	isBool, err := e.check(tree, names)
	if err == nil && !isBool {
		err = fmt.Errorf("assert: %q is a number, not a condition such as p99<500ms", text)
	}
	slices.Sort(e.names)
	e.names = slices.Compact(e.names)
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

// check finds what has no meaning, and tells conditions from numbers.
func (e *Expr) check(x ast.Expr, names []string) (isBool bool, err error) {
	switch x := x.(type) {
	case *ast.ParenExpr:
		return e.check(x.X, names)
	case *ast.BasicLit:
		if x.Kind != token.INT && x.Kind != token.FLOAT {
			return false, fmt.Errorf("assert: %s is no number", x.Value)
		}
		if _, err := strconv.ParseFloat(x.Value, 64); err != nil {
			return false, fmt.Errorf("assert: %s is no decimal number", x.Value)
		}
		return false, nil
	case *ast.Ident:
		if !slices.Contains(names, x.Name) {
			return false, unknown(x.Name, names)
		}
		e.names = append(e.names, x.Name)
		return false, nil
	case *ast.UnaryExpr:
		isBool, err = e.check(x.X, names)
		if err == nil && (x.Op != token.NOT && x.Op != token.SUB || isBool != (x.Op == token.NOT)) {
			err = fmt.Errorf("assert: %s has no meaning there", x.Op)
		}
		return isBool, err
	case *ast.BinaryExpr:
		return e.checkBinary(x, names)
	}
	return false, errors.New("assert: only figures, numbers, comparisons and && || ! ( ) have a meaning")
}

func (e *Expr) checkBinary(x *ast.BinaryExpr, names []string) (isBool bool, err error) {
	left, err := e.check(x.X, names)
	if err != nil {
		return false, err
	}
	right, err := e.check(x.Y, names)
	if err != nil {
		return false, err
	}
	logical := x.Op == token.LAND || x.Op == token.LOR
	if left != logical || right != logical {
		return false, fmt.Errorf("assert: %s does not go between those", x.Op)
	}
	switch x.Op {
	case token.LAND, token.LOR, token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		return true, nil
	case token.ADD, token.SUB, token.MUL, token.QUO:
		return false, nil
	}
	return false, fmt.Errorf("assert: %s has no meaning here", x.Op)
}

func unknown(name string, names []string) error {
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
	return Result{OK: known && truth(e.tree, values) == 1, Found: strings.Join(found, ", ")}
}

// truth is a number's value, or 1 for a condition that holds; NaN if it has a part
// that is no number, so that not even its opposite holds.
func truth(x ast.Expr, values map[string]float64) float64 {
	switch x := x.(type) {
	case *ast.ParenExpr:
		return truth(x.X, values)
	case *ast.BasicLit:
		v, _ := strconv.ParseFloat(x.Value, 64) // checked
		return v
	case *ast.Ident:
		return values[x.Name]
	case *ast.UnaryExpr:
		v := truth(x.X, values)
		if x.Op == token.NOT {
			return 1 - v
		}
		return -v
	case *ast.BinaryExpr:
		return binary(x.Op, truth(x.X, values), truth(x.Y, values))
	}
	return 0
}

func binary(op token.Token, a, b float64) float64 {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	switch op {
	case token.LAND:
		return is(a != 0 && b != 0)
	case token.LOR:
		return is(a != 0 || b != 0)
	case token.LSS:
		return is(a < b)
	case token.LEQ:
		return is(a <= b)
	case token.GTR:
		return is(a > b)
	case token.GEQ:
		return is(a >= b)
	case token.EQL:
		return is(a == b)
	case token.NEQ:
		return is(a != b)
	case token.ADD:
		return a + b
	case token.SUB:
		return a - b
	case token.MUL:
		return a * b
	}
	return a / b
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
