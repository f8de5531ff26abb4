"""An audit as text (`report`) and as a page (`html`); `view` is what both show."""
