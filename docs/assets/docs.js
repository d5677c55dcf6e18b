/* The theme leaves the dialog of the search without a name, which readers of screens need. */
document.querySelector("[data-md-component=search]")?.setAttribute("aria-label", "Search");
