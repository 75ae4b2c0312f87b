package edit

// Changes is Edits.changes.
var Changes = (*Edits).changes
