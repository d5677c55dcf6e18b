"""The texts of card.yaml, for the two programs that do its work without reportgen."""

NEAREST = ("apple", "Apple", "李", "王")
WORD = "apple"
SENTENCES = (
    "I ate an apple for breakfast",
    "She baked an apple pie for dessert",
    "The company that makes the iPad and the AirPods is apple",
    "Shares of apple rose after the company sold more phones",
)
CONTINUED = ("天氣", "今天天氣真", 'Français: "fleur" - 中文: "', "The capital of France is")
STEPS = 3
ATTENDED = "The apple is green. What color is the apple?"
MAPPED = (
    "Paris", "London", "Tokyo", "Berlin", "dog", "cat", "horse", "tiger",
    "red", "green", "blue", "yellow", "one", "two", "three", "four",
)  # fmt: skip
NEIGHBOURS = 20
TOP = 10
