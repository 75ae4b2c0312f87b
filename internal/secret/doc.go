// Package secret keeps secrets secret: it seals them for storage with a key
// that is not in the database, and has types that never print what they hold.
//
// Sealing is Tink's AEAD (AES256-GCM). Each sealed value is bound to the place
// it is stored in, so that one cannot be put in another's place.
package secret
