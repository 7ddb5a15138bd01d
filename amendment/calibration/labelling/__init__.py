"""Labels of people: where they are kept, who is asked what, the page, and files of other tools."""
