package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// change is one place of a file, changed.
type change struct {
	pkg, file string
	at        token.Position
	what      string // for people, such as "< for <="
	text      []byte // the file as it is then
	runs      place  // what a test must run to be able to notice it
}

func (c change) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", c.runs.file, c.at.Line, c.at.Column, c.what)
}

var opposite = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
	token.INC: token.DEC, token.DEC: token.INC, token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
}

// byOne is the comparison that differs where both sides are equal.
var byOne = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}

// inFile are the changes to one file: every if is never entered, and every other
// comparison, operator and negation is turned round.
func inFile(path string, text []byte) ([]change, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil || ast.IsGenerated(file) {
		return nil, err
	}
	var all []change
	with := func(pos, end token.Pos, to, what string, runs token.Pos) {
		at, run := fset.Position(pos), fset.Position(runs)
		all = append(all, change{
			at: at, what: what, runs: place{line: run.Line, column: run.Column},
			text: slices.Concat(text[:at.Offset], []byte(to), text[fset.Position(end).Offset:]),
		})
	}
	operator := func(pos token.Pos, from token.Token, to token.Token) {
		with(pos, pos+token.Pos(len(from.String())), to.String(), to.String()+" for "+from.String(), pos)
	}
	conditions := map[ast.Expr]bool{} // whose opposite is noticed by whatever runs them
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			conditions[n.Cond] = true
			at := fset.Position(n.Cond.Pos()).Offset
			condition := string(text[at:fset.Position(n.Cond.End()).Offset])
			with(n.Cond.Pos(), n.Cond.End(), "false && ("+condition+")", "never "+strings.Join(strings.Fields(condition), " "), n.Body.Lbrace)
		case *ast.ForStmt:
			conditions[n.Cond] = true
		case *ast.BinaryExpr:
			if to, ok := byOne[n.Op]; ok {
				operator(n.OpPos, n.Op, to)
			}
			logical := n.Op == token.LAND || n.Op == token.LOR
			if to, ok := opposite[n.Op]; ok && (logical || !conditions[n]) && !isText(n) {
				operator(n.OpPos, n.Op, to)
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT && !conditions[n] {
				with(n.OpPos, n.OpPos+1, "", "without !", n.OpPos)
			}
		case *ast.IncDecStmt:
			operator(n.TokPos, n.Tok, opposite[n.Tok])
		case *ast.AssignStmt:
			if to, ok := opposite[n.Tok]; ok {
				operator(n.TokPos, n.Tok, to)
			}
		}
		return true
	})
	return all, nil
}

// isText says whether + joins strings, which nothing else can do in its place.
func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return e.Op == token.ADD && (isText(e.X) || isText(e.Y))
	case *ast.BasicLit:
		return e.Kind == token.STRING
	}
	return false
}
