// Package theme is the look of all pages: the layout, the style sheet, which
// each page carries itself, and the security headers that allow it and nothing
// else. It is apart from web so that pachctl can show its one page in it.
package theme
