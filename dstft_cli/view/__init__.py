"""The interactive page of a result, `view.html`; and what all HTML pages share."""
