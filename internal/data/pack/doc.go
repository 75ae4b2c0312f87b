// Package pack turns bytes into blobs, gathers those in packs, which are compressed and
// sealed objects of a blob.Store, and finds them again by what they hold.
//
// A pack is durable in the store before rows name its blobs, and those are there before
// anything else names them. What nothing has come to name is swept (Service.Sweep).
package pack
