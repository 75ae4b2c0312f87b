package tree_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"pachyderm/internal/data/tree"
)

const million = 1000000

// large makes a directory of a million files, once.
var large = sync.OnceValues(func() (*memory, tree.Root) {
	nodes := newMemory()
	root, err := tree.Apply(context.Background(), nodes, tree.Root{}, puts())
	if err != nil {
		panic(err)
	}
	return nodes, root
})

func puts() []tree.Edit {
	list := make([]tree.Edit, million)
	for k := range list {
		list[k] = tree.Put(fmt.Sprintf("/data/%07d.bin", k*7919%million), "", content(k, 1))
	}
	return list
}

func BenchmarkApply_MillionPuts(b *testing.B) {
	list := puts()
	b.ReportAllocs()
	for b.Loop() {
		apply(b, newMemory(), tree.Root{}, list...)
	}
	b.ReportMetric(float64(b.N*million)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkApply_OnePutInMillion(b *testing.B) {
	nodes, root := large()
	k := 0
	for b.Loop() {
		k++
		apply(b, nodes, root, tree.Put(fmt.Sprintf("/data/%07d.bin", k*7919%million), "", content(k+million, 1)))
	}
}

func BenchmarkLookup_InMillion(b *testing.B) {
	nodes, root := large()
	k := 0
	for b.Loop() {
		k++
		if e, err := tree.Lookup(b.Context(), nodes, root, fmt.Sprintf("/data/%07d.bin", k*7919%million)); err != nil || len(e) != 1 {
			b.Fatal(e, err)
		}
	}
}

func BenchmarkList_ThousandOfMillion(b *testing.B) {
	nodes, root := large()
	for b.Loop() {
		n := 0
		for _, err := range tree.List(b.Context(), nodes, root, "/data", tree.Page{After: "/data/0500000.bin"}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n == 1000 {
				break
			}
		}
	}
}

func BenchmarkDiff_TenOfMillion(b *testing.B) {
	nodes, root := large()
	var list []tree.Edit
	for k := range 10 {
		list = append(list, tree.Put(fmt.Sprintf("/data/%07d.bin", k*99999), "", content(k+million, 1)))
	}
	now := apply(b, nodes, root, list...)
	for b.Loop() {
		if got := differences(b, nodes, root, now, "/", false); len(got) != 12 {
			b.Fatal(len(got))
		}
	}
}
